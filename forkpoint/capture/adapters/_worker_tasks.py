"""The functions that a pool's forked workers are given, and what each sees of the program.

Forked workers keep the globals that were there when they began. Made again, they begin with those of the restore point;
so each function given to them is looked at when it is first given, and again at a commit (`_worker_view`). Arguments go
along with every task and need no look; what a worker has kept of earlier tasks is no program's business that gives
tasks to whichever worker is free, and where there is one worker only, commits are refused.
"""

from __future__ import annotations

import functools
import types
from typing import Any, Final

from forkpoint.capture.adapters._worker_view import digest
from forkpoint.errors import Refused

_HINT: Final = "commits are taken once that pool is closed; a pool for each round of work is never in their way"
_FUNCTIONS_MAX: Final = 1000


class Given:
    """What one pool's workers were given to do so far."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, bytes | None]] = {}
        self._why = ""

    def note(self, function: Any) -> None:
        """The program is about to give this to a worker. Never raises."""
        while isinstance(function, (functools.partial, types.MethodType)):
            function = function.func if isinstance(function, functools.partial) else function.__func__
        looked_at = function if isinstance(function, (types.FunctionType, type)) else type(function)
        if id(looked_at) in self._seen or self._why:
            return
        try:
            self._seen[id(looked_at)] = looked_at, digest(looked_at)
        except Refused as refused:
            self._why = refused.reason
        if len(self._seen) > _FUNCTIONS_MAX:
            self._why = "a pool was given more functions than can be looked at again at each commit"

    def functions(self) -> list[Any]:
        """What was noted."""
        return [function for function, _ in self._seen.values()]

    def require_unchanged(self, workers: int) -> None:
        """Raises Refused unless workers that begin now are the same as those that began then."""
        if workers == 1:
            raise Refused("the one worker of a process pool may remember what it has done", hint=_HINT)
        if self._why:
            raise Refused(self._why, hint=_HINT)
        for function, seen in self._seen.values():
            if digest(function) != seen:
                raise Refused(
                    f"{getattr(function, '__qualname__', function)}(), or a global that it reads, has changed since it "
                    "was first given to the workers of a pool",
                    hint=_HINT,
                )
