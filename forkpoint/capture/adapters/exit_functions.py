"""Functions registered with atexit: the program's are registered again, libraries register their own on import."""

from __future__ import annotations

import atexit
import sys
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
    return "<locals>" in getattr(function, "__qualname__", "") and defining_module(function) not in program


class _ExitFunctions(Quiet):
    name = "exit_functions"
    module = "atexit"

    def capture(self, before: None) -> list[Call]:
        program = {module.__name__ for module in roots.find().by_value} | {"__main__"}
        return [
            call
            for call in _native.exit_functions()
            if defining_module(call[0]).partition(".")[0] != "forkpoint" and not _is_hidden(call[0], program)
        ]

    def restore(self, state: list[Call]) -> None:
        registered = _native.exit_functions()
        for call in state:
            if call in registered:
                registered.remove(call)  # the library it belongs to has done so when it was imported
            else:
                function, args, kwargs = call
                atexit.register(function, *args, **(kwargs or {}))


ADAPTER = _ExitFunctions()
