"""How instances of a library's class are made, where its own `__new__` stands in the way of making them again."""

from __future__ import annotations

import functools
import inspect
import operator
import types
from typing import Any, Final

_HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: of classes made by Python code, and some by C."""

_VALUES: Final = (str, bytes, int, float, complex, tuple)


def is_made_by_object(cls: type) -> bool:
    """Whether `object.__new__` makes instances of it: no C code has a constructor of its own (typeobject.c, tp_new)."""
    for base in cls.__mro__[:-1]:
        try:
            if not base.__flags__ & _HEAP_TYPE:
                object.__new__(base)
            elif isinstance(vars(base).get("__new__"), types.BuiltinFunctionType):
                return False
        except TypeError:
            return False
    return True


@functools.lru_cache(maxsize=256)
def wants_more(cls: type) -> bool:
    """Whether a `__new__` in Python takes more than the class, and nothing says what (importlib.metadata.FastPath)."""
    new: Any = cls.__new__
    if isinstance(new, types.BuiltinFunctionType) or not is_made_by_object(cls):
        return False
    try:
        inspect.signature(new).bind(cls)
    except TypeError:
        return True
    except ValueError:
        return False
    return False


@functools.lru_cache(maxsize=256)
def base_of_value(cls: type) -> type | None:
    """The builtin whose value all its instances are, where a `__new__` in Python makes them and only that builtin says
    from what (a tuple of members that takes them one by one).
    """
    base = next((base for base in _VALUES if issubclass(cls, base)), None)
    if base is None or isinstance(cls.__new__, types.BuiltinFunctionType):
        return None
    said: Any = getattr(cls, "__getnewargs__", None)
    return base if said is getattr(base, "__getnewargs__", None) and not hasattr(cls, "__getnewargs_ex__") else None


def is_made_anew(base: Any, obj: Any, arguments: tuple[Any, ...]) -> bool:
    """Does the class make the same of that value? Tried on a throw-away object."""
    cls, *rest = arguments
    try:
        made = cls.__new__(cls, *rest)
        if base is tuple:  # compared without its members' own ways to compare
            members, others = tuple.__getitem__(made, slice(None)), tuple.__getitem__(obj, slice(None))
            return type(made) is cls and len(members) == len(others) and all(map(operator.is_, members, others))
        return type(made) is cls and bool(base.__eq__(made, obj))
    except Exception:
        return False


def new_by_base(base: Any, cls: type, value: Any) -> Any:
    """One of `cls` with that value, not asking the class."""
    return base.__new__(cls, value)
