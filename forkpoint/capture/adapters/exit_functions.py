"""Functions registered with atexit: the program's are registered again, libraries register their own on import.

All in the order they were in, since they run from the last to the first: `weakref` has its finalizers run where the
first of them was made.
"""

from __future__ import annotations

import atexit
import sys
import weakref
from collections.abc import Callable
from types import BuiltinFunctionType, ModuleType
from typing import Any

from forkpoint import _native
from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet

Call = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any] | None]


def defining_module(function: Any) -> str:
    """Where the function that is called in the end is defined."""
    while hasattr(function, "func"):
        function = function.func
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__module__", None) or getattr(type(owner), "__module__", "")
    return str(name)


def _is_hidden(function: Any, program: set[str]) -> bool:
    """Whether it is a library's and not to be found under a name: registered by an import, and again by the next."""
    owner = getattr(function, "__self__", None)
    if isinstance(function, BuiltinFunctionType) and not isinstance(owner, ModuleType | None):
        made_by = type(owner).__module__
        if type(owner).__name__ == "PyCapsule":  # a closure of a compiled library (pyo3's, polars has one)
            return True
        return made_by not in program and made_by.partition(".")[0] not in sys.stdlib_module_names
    name = getattr(function, "__qualname__", "")
    if not isinstance(name, str):
        return True  # a nameless function of a compiled library (nanobind's, duckdb has one)
    return "<locals>" in name and defining_module(function) not in program


def _registered() -> list[Call]:
    return [(function, args, kwargs or None) for function, args, kwargs in _native.exit_functions()]


def _is_made_anew(function: Any, program: set[str]) -> bool:
    return defining_module(function).partition(".")[0] == "forkpoint" or _is_hidden(function, program)


class _ExitFunctions(Quiet):
    name = "exit_functions"
    module = "atexit"

    def capture(self, before: None) -> list[Call | None]:
        """In the order of their registration; None for what is ours, or hidden: a new process has its own."""
        program = {module.__name__ for module in roots.find().by_value} | {"__main__"}
        return [None if _is_made_anew(call[0], program) else call for call in _registered()]

    def restore(self, state: list[Call | None]) -> None:
        registered = _registered()
        own = [call for call in registered if call not in state]  # the others: of libraries that are imported here, too
        places = sum(call is None for call in state)
        first, rest = own[: max(len(own) - places, 0)], iter(own[max(len(own) - places, 0) :])
        again = first + [found for call in state if (found := call or next(rest, None)) is not None]
        if again != registered:
            atexit._clear()
            for function, args, kwargs in again:
                atexit.register(function, *args, **(kwargs or {}))
        finalize: Any = weakref.finalize  # whose next one would register it once more, behind all of these
        finalize._registered_with_atexit = any(call[0] == finalize._exitfunc for call in again)


ADAPTER = _ExitFunctions()
