"""Resource limits that the program has set: `resource.setrlimit(RLIMIT_NOFILE, ...)` and its like.

Limits it never touched are the machine's and stay so. A soft limit that was raised is raised before anything is opened
or imported; what was lowered (`RLIMIT_AS`) is lowered last, since restoring may need more for a moment than going on.
"""

from __future__ import annotations

import resource
from typing import Final

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.say import say

Limits = dict[int, tuple[int, int]]
"""Of each number of `resource.RLIMIT_*`: soft, hard; -1 is `RLIM_INFINITY`."""

_NAMES: Final = {getattr(resource, name): name for name in reversed(vars(resource)) if name.startswith("RLIMIT_")}


def _order(limit: int) -> float:
    return float("inf") if limit == resource.RLIM_INFINITY else limit


def _set(number: int, soft: int, hard: int) -> bool:
    """Whether this process may."""
    try:
        resource.setrlimit(number, (soft, hard))
    except (OSError, ValueError):
        return False
    return True


class _Limits(Quiet):
    name = "resource_limits"
    module = "resource"

    def __init__(self) -> None:
        self._restored: Limits = {}  # set by the program in a process before this one
        self._noted: Limits = {}

    def before_fork(self) -> Limits:
        """A child's are not the program's: it leaves no core file."""
        self._noted = {number: resource.getrlimit(number) for number in {*self._restored, *_native.limits_set()}}
        return self._noted

    def facts(self) -> list[tuple[int, int]]:
        """The soft ones."""
        return [(number, soft) for number, (soft, _) in self._noted.items()]

    def prepare(self, limits: list[tuple[int, int]]) -> None:
        """Raise what was raised, as far as this process may."""
        for number, soft in limits:
            now, most = resource.getrlimit(number)
            if _order(soft) > _order(now):
                _set(number, min(soft, most, key=_order), most)

    def restore(self, state: Limits) -> None:
        for number, (soft, hard) in state.items():
            if _set(number, soft, hard):
                continue
            _, most = resource.getrlimit(number)
            _set(number, min(soft, most, key=_order), most)
            if _order(soft) > _order(most):
                say(f"the program had set {_NAMES.get(number, number)} to {soft}; this process is allowed {most}")
        self._restored = state


ADAPTER = _Limits()
