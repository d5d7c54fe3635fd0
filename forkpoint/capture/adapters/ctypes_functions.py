"""ctypes: libraries are opened again by name, functions looked up in them, callbacks made of what they call.

A library that comes back with the handle it had would look its functions up at an address where nothing is.
"""

from __future__ import annotations

import ctypes  # noqa: TID251 - of the program
import gc
from collections.abc import Mapping
from typing import Any, Final

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_ct: Any = ctypes
_Function: Final = _ct._CFuncPtr
_MADE: Final = frozenset({"_handle", "_FuncPtr"})
"""What opening a library gives the object."""
_HOW: Final = ("restype", "argtypes", "errcheck")


def reduce_library(library: Any, context: ReduceContext) -> Any:
    """By the name it was opened with."""
    use_errno = bool(library._FuncPtr._flags_ & _ct._FUNCFLAG_USE_ERRNO)
    return open_library, (type(library), library._name, use_errno), attributes(library, _MADE), None, None, fill


def open_library(cls: Any, name: str | None, use_errno: bool) -> Any:
    """Raises OSError where it is not to be found any more."""
    made = cls.__new__(cls)
    ctypes.CDLL.__init__(made, name, use_errno=use_errno)
    return made


def reduce_function(function: Any, context: ReduceContext) -> Any:
    """A function of a library, by its name in it, or a callback, by what it calls."""
    how = {name: getattr(function, name) for name in _HOW}
    how = {name: value for name, value in how.items() if value is not getattr(type(function), f"_{name}_", None)}
    state = (how, attributes(function))
    kept = function._objects
    library = kept.get("0") if isinstance(kept, dict) else None
    if isinstance(library, ctypes.CDLL):
        kind = None if type(function) is library._FuncPtr else type(function)
        return find_function, (library, function.__name__, kind), state, None, None, fill_function
    held = gc.get_referents(function)
    called = [each for each in held if callable(each) and each is not type(function)]
    if type(library).__name__ != "CThunkObject" or len(called) != 1:
        return context.tombstone(function, "it is at an address that nothing says the name of")
    return make_callback, (type(function), called[0]), state, None, None, fill_function


def find_function(library: Any, name: str, kind: Any) -> Any:
    """Raises AttributeError where the library has none of that name."""
    return (kind or library._FuncPtr)((name, library))


def make_callback(cls: Any, called: Any) -> Any:
    """A C function that calls it."""
    return cls(called)


def fill_function(function: Any, state: tuple[Mapping[str, Any], Any]) -> None:
    """How its arguments and result are converted, and its attributes."""
    how, named = state
    for name, value in how.items():
        setattr(function, name, value)
    fill(function, named)


def reduce_prototype(cls: Any, context: ReduceContext) -> Any:
    """`CFUNCTYPE(...)`, which ctypes makes once. Others are left to the rest of the house."""
    arguments = getattr(cls, "_argtypes_", None)
    if arguments is None or cls._flags_ != ctypes.CDLL._func_flags_:
        return NotImplemented
    types = (cls._restype_, *arguments)
    return (ctypes.CFUNCTYPE, types) if ctypes.CFUNCTYPE(*types) is cls else NotImplemented


class _Functions(Quiet):
    name = "ctypes_functions"
    module = "ctypes"

    def reducers(self) -> Mapping[type, Reducer]:
        return {ctypes.CDLL: reduce_library, _Function: reduce_function, type(_Function): reduce_prototype}


ADAPTER = _Functions()
