"""Classes by value: the same metaclass, bases, layout and namespace, without running what creating a class runs."""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
import types
from abc import ABCMeta
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode.modules import by_name
from forkpoint.encode.names import HIDDEN, hidden_type
from forkpoint.encode.reducers import FINISH, Context, reduces

_MADE_BY_TYPE: Final = frozenset({"__dict__", "__weakref__"})
_ABC_DATA: Final = "_abc_impl"
_SET_LATER: Final = frozenset({"__slots__", "__qualname__", "__doc__", "__abstractmethods__", _ABC_DATA})
"""What is no attribute that a class is made with; of its abstract methods a subclass asks, when it is filled first."""


def _slot_names(cls: type) -> tuple[str, ...] | None:
    """The slots the layout was made from, None for a class without `__slots__`."""
    namespace = vars(cls)
    if "__slots__" not in namespace:
        return None
    names = [key for key, value in namespace.items() if _is_own_member(cls, value)]
    base = cls.__base__
    if cls.__dictoffset__ and not (base and base.__dictoffset__):
        names.append("__dict__")
    if cls.__weakrefoffset__ and not (base and base.__weakrefoffset__):
        names.append("__weakref__")
    return tuple(names)


def _is_own_member(cls: type, value: object) -> bool:
    return isinstance(value, types.MemberDescriptorType) and value.__objclass__ is cls


@contextmanager
def _quiet_bases(bases: tuple[type, ...]) -> Iterator[None]:
    """Keep `type.__new__` from calling an `__init_subclass__` of the bases: it ran when the class was first made.

    That of a class in C is about what C has for each subclass (`zoneinfo.ZoneInfo`), and runs again.
    """
    silenced = []
    for base in bases:
        for cls in base.__mro__:
            if cls.__flags__ & _HEAP_TYPE and "__init_subclass__" in vars(cls):
                silenced.append((cls, _native.class_swap(cls, "__init_subclass__", _SILENT)))
    try:
        yield
    finally:
        for cls, hook in reversed(silenced):
            _native.class_swap(cls, "__init_subclass__", hook)


_HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE."""

_SILENT: Final = classmethod(lambda cls, **options: None)


def make_class(
    meta: type, name: str, bases: tuple[type, ...], qualname: str, slots: tuple[str, ...] | None, names: tuple[str, ...]
) -> type:
    """A class of that layout whose attributes are still None."""
    namespace: dict[str, Any] = dict.fromkeys(names)
    namespace["__qualname__"] = qualname
    if slots is not None:
        namespace["__slots__"] = slots
    with _quiet_bases(bases):
        return type.__new__(meta, name, bases, namespace)


def make_native_class(meta: Any, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
    """A class whose metaclass is written in C and needs the whole namespace at once (ctypes)."""
    return meta(name, bases, namespace)  # type: ignore[no-any-return]


def fill_class(cls: type, state: dict[str, Any]) -> None:
    """Give a class its attributes, bypassing what its metaclass defines for that."""
    registry = state.pop(_ABC_DATA, None)
    if registry is not None:
        _abc._abc_init(cls)
    for key, value in state.items():
        type.__setattr__(cls, key, value)
    for subclass in registry or ():
        _abc._abc_register(cls, subclass)


def order_subclasses(cls: type, subclasses: list[type]) -> None:
    """`cls.__subclasses__()` in the order in which they were first made."""
    present: list[type] = type.__subclasses__(cls)
    if [other for other in present if other in subclasses] == subclasses:
        return
    setter = type.__dict__["__bases__"].__set__
    for subclass in subclasses:
        setter(subclass, subclass.__bases__)


@reduces(type, subclasses=True)
def _reduce_class(obj: Any, context: Context) -> Any:
    path = context.path_of(obj)
    if path is not None:
        return by_name(obj, path)
    if obj.__name__ in HIDDEN and HIDDEN[obj.__name__] is obj:
        return hidden_type, (obj.__name__,)
    if not _native.is_python_class(obj):
        return context.tombstone(obj, "no module offers this builtin type")
    return _reduce_class_by_value(obj, context)


def _reduce_class_by_value(obj: Any, context: Context) -> Any:
    meta = type(obj)
    namespace = dict(vars(obj))
    if any(not _native.is_python_class(base) and base is not type for base in meta.__mro__[:-1]):
        for name, value in vars(obj).items():
            if name in _MADE_BY_TYPE or type(value).__name__ == "CField":  # ctypes makes those from _fields_
                del namespace[name]
        return make_native_class, (meta, obj.__name__, obj.__bases__, namespace)
    state = {
        key: value
        for key, value in namespace.items()
        if key not in _MADE_BY_TYPE and not _is_own_member(obj, value) and key != _ABC_DATA
    }
    if _ABC_DATA in namespace and isinstance(obj, ABCMeta):
        registry = [ref() for ref in _abc._get_dump(obj)[0]]
        state[_ABC_DATA] = [cls for cls in registry if cls is not None]
    if obj.__doc__ is None and "__doc__" in state:
        state.pop("__doc__")
    names = tuple(key for key in state if key not in _SET_LATER)
    subclasses = [cls for cls in type.__subclasses__(obj) if context.is_program_class(cls)]
    if subclasses:
        context.later(FINISH, order_subclasses, obj, subclasses)
    arguments = (meta, obj.__name__, obj.__bases__, obj.__qualname__, _slot_names(obj), names)
    return make_class, arguments, state, None, None, fill_class
