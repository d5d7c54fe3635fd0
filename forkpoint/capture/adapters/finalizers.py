"""Finalizers that nobody keeps: `weakref.finalize(obj, function)` for a program's object or with a program's function.

They live in the registry of weakref alone, so that saving what the program holds does not meet them. What a library
finalizes of its own is the library's to register again.
"""

from __future__ import annotations

import weakref
from typing import Any

from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.capture.adapters.exit_functions import defining_module


class _Finalizers(Quiet):
    name = "finalizers"
    module = "weakref"

    def capture(self, before: None) -> list[Any]:
        program = {module.__name__ for module in roots.find().by_value} | {"__main__"}
        registry: dict[Any, Any] = vars(weakref.finalize)["_registry"]
        found = []
        for finalizer in list(registry):
            peeked = finalizer.peek()
            if peeked is not None and not program.isdisjoint((type(peeked[0]).__module__, defining_module(peeked[1]))):
                found.append(finalizer)
        return found

    def restore(self, state: list[Any]) -> None:
        """They have registered themselves (`encode.references`), but not in the order in which they are called."""
        for finalizer in state:
            at_exit = finalizer.atexit
            alive = finalizer.detach()
            if alive:
                target, function, args, kwargs = alive
                finalizer.__init__(target, function, *args, **kwargs)
                finalizer.atexit = at_exit


ADAPTER = _Finalizers()
