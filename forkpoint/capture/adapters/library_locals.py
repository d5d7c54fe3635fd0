"""What libraries have put into a `threading.local` of theirs, in the main thread: click's stack of contexts, switches.

The object itself is named, and a fresh import has an empty one.
"""

from __future__ import annotations

import _thread
import sys
from typing import Any, Final

from forkpoint.capture import libraries, roots
from forkpoint.capture.adapters._quiet import Quiet

_ELSEWHERE: Final = frozenset(
    {"anyio", "asyncio", "filelock", "joblib", "multiprocessing", "sklearn._config", "threadpoolctl", "torch"}
)
"""Packages and modules where it is about this process, or where an adapter of its own knows more."""

State = list[tuple[str, str, dict[str, Any]]]
"""Module, name, attributes."""


def _attributes(local: Any) -> dict[str, Any]:
    found: dict[str, Any] = _thread._local.__getattribute__(local, "__dict__")
    return found


class _Locals(Quiet):
    name = "library_locals"
    module = "_thread"

    def capture(self, before: None) -> State:
        """In the child, which goes on in the thread that forked."""
        found = libraries.look(roots.find()).locals
        return [
            (module, name, attributes)
            for module, name, local in found
            if _ELSEWHERE.isdisjoint({module, module.partition(".")[0]}) and (attributes := _attributes(local))
        ]

    def restore(self, state: State) -> None:
        for module, name, attributes in state:
            local = vars(sys.modules[module]).get(name) if module in sys.modules else None
            if isinstance(local, _thread._local):
                present = _attributes(local)
                present.clear()
                present.update(attributes)


ADAPTER = _Locals()
