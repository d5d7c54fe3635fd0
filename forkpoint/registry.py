"""What a program has told forkpoint about itself: callbacks, adapters for its classes, exclusions.

Part of every restore point, so that a restored program has told the same.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from forkpoint.model import CapturedStack, Reducer

after_restore: list[Callable[[], object]] = []
"""Called in order in a restored process, once all state is back."""

adapters: dict[type, Reducer] = {}
"""How instances of a class are saved, by `forkpoint.register`."""

excluded_paths: list[str] = []
"""Paths (`trainer.cache`) that become tombstones."""

excluded_objects: list[Any] = []
"""Objects that become tombstones wherever they are reached."""


def excluded(stack: CapturedStack | None) -> dict[int, Any]:
    """id -> object, of all that is excluded: objects as given, paths as they lead from variables now.

    A path begins at a variable of a running function (the innermost that has it) or a global of `__main__`, and goes
    on through attributes and string keys; nothing of the program is called. A path that leads nowhere excludes nothing.
    """
    found = {id(item): item for item in excluded_objects}
    for path in excluded_paths:
        first, *rest = path.split(".")
        value = _variable(first, stack)
        for part in rest:
            held = value if isinstance(value, dict) else getattr(value, "__dict__", {})
            value = held.get(part)
        if value is not None and not isinstance(value, bool | int | float | str | bytes):
            found[id(value)] = value
    return found


def _variable(name: str, stack: CapturedStack | None) -> Any:
    for frame in reversed(stack.frames if stack is not None else ()):
        own = frame.code.co_varnames
        names = (*own, *(cell for cell in frame.code.co_cellvars if cell not in own), *frame.code.co_freevars)
        if name in names:
            value = frame.slots[names.index(name)]
            return value.cell_contents if isinstance(value, types.CellType) else value
    return vars(sys.modules["__main__"]).get(name)


def capture() -> dict[str, Any]:
    """All of it, as something picklable."""
    return {
        "after_restore": list(after_restore),
        "adapters": dict(adapters),
        "excluded_paths": list(excluded_paths),
        "excluded_objects": list(excluded_objects),
    }


def restore(state: dict[str, Any]) -> None:
    """Put back what `capture` gave, in place."""
    after_restore[:] = state["after_restore"]
    adapters.clear()
    adapters.update(state["adapters"])
    excluded_paths[:] = state["excluded_paths"]
    excluded_objects[:] = state["excluded_objects"]
