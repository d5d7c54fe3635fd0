"""ctypes: objects that share memory go on sharing it, pointers point to what they did, array types are those that
ctypes keeps. Pickle gives each object bytes of its own, and no pointer at all.

Whose memory an object uses it says itself: `_b_base_` where it is a part of another one, `_objects` where it was made
by `from_buffer` or points elsewhere (Modules/_ctypes/_ctypes.c, PyCData_FromBaseObj, KeepRef).
"""

from __future__ import annotations

import ctypes  # noqa: TID251 - of the program
from collections.abc import Iterator, Mapping
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_ct: Any = ctypes
_Data: Final = _ct.Structure.__mro__[1]
_TEXTS: Final = frozenset("zZO")
"""`_type_` of what points to a text or an object and has it as its value; that of `c_void_p` is a number."""


def reduce_array_class(cls: Any, context: ReduceContext) -> Any:
    """`element * length`, which ctypes makes once. A class that the program derives is left to others."""
    length, element = getattr(cls, "_length_", None), getattr(cls, "_type_", None)
    if length is None or element * length is not cls:
        return NotImplemented
    return array_class, (element, length, cls.__module__)


def array_class(element: Any, length: int, module: str) -> Any:
    """The one array class of these; as its module it names the one that first asked for it."""
    made = element * length
    made.__module__ = module
    return made


def reduce_pointer_class(cls: Any, context: ReduceContext) -> Any:
    """`POINTER(type)`, which ctypes makes once."""
    target = getattr(cls, "_type_", None)
    if target is None or ctypes.POINTER(target) is not cls:
        return NotImplemented
    return pointer_class, (target, cls.__module__)


def pointer_class(target: Any, module: str) -> Any:
    """The one pointer class of this type, as above."""
    made: Any = ctypes.POINTER(target)
    made.__module__ = module
    return made


def reduce_data(data: Any, context: ReduceContext) -> Any:
    """Where it is a view of other memory, as that; NotImplemented where the memory is its own."""
    found = _home(data)
    if found is not None:
        if _is_lost(found[0]):
            return context.tombstone(data, "it is a part of memory with addresses in it")
        return make_view, (type(data), *found), attributes(data), None, None, fill
    if not data._b_needsfree_:
        return context.tombstone(data, "its memory is not Python's")
    if isinstance(data, _ct._SimpleCData):
        if data._type_ in _TEXTS:
            return type(data), (data.value,), attributes(data), None, None, fill
        if data._type_ == "P":
            return reduce_pointer(data, context)
    return NotImplemented


def _home(data: Any) -> tuple[Any, int] | None:
    """The object whose memory this one uses, and where in it; None for memory of its own, or of nobody's."""
    start, base = ctypes.addressof(data), data._b_base_
    if base is not None:
        offset = start - ctypes.addressof(base)
        if 0 <= offset <= ctypes.sizeof(base) - ctypes.sizeof(data):
            return base, offset
        return next(_targets(base, start, ctypes.sizeof(data)), None)  # what a pointer points to
    for kept in _kept(data):
        if isinstance(kept, memoryview):
            address, length = _extent(kept)
            if 0 <= start - address <= length - ctypes.sizeof(data):
                return kept.obj, start - address
    return None


def _kept(data: Any) -> Iterator[Any]:
    """What it keeps alive, and what that keeps alive."""
    waiting, seen = [data._objects], set()
    while waiting:
        kept = waiting.pop()
        if isinstance(kept, dict):
            waiting.extend(kept.values())
        elif kept is not None and id(kept) not in seen:
            seen.add(id(kept))
            yield kept
            if isinstance(kept, _Data):
                waiting.append(kept._objects)


def _targets(pointer: Any, address: int, size: int) -> Iterator[tuple[Any, int]]:
    """The objects it keeps alive that have this memory, and where in them. numpy's `data_as` has the array in an
    attribute.
    """
    for kept in (*_kept(pointer), *getattr(pointer, "__dict__", {}).values()):
        start, length = _extent(kept)
        if 0 <= address - start <= length - size:
            yield kept, address - start


def _extent(kept: Any) -> tuple[int, int]:
    """Address and bytes of the memory of a ctypes object or of a writable buffer; of another object, nothing."""
    if isinstance(kept, _Data):
        return ctypes.addressof(kept), ctypes.sizeof(kept)
    try:
        view = memoryview(kept)
    except (TypeError, BufferError, ValueError):
        return 0, -1
    return (0, -1) if view.readonly or not view.contiguous else (_native.buffer_address(view), view.nbytes)


def _is_lost(holder: Any) -> bool:
    """Whether the object is a tombstone: pickle knows no way for a structure or array with addresses in it."""
    while isinstance(holder, _Data):
        found = _home(holder)
        if found is None:
            return _has_addresses(type(holder))
        holder = found[0]
    return False


def _has_addresses(cls: Any) -> bool:
    if issubclass(cls, _ct.Array):
        return _has_addresses(cls._type_)
    if issubclass(cls, _ct.Structure | _ct.Union):
        return any(_has_addresses(field[1]) for each in cls.__mro__ for field in vars(each).get("_fields_", ()))
    return issubclass(cls, _ct._Pointer | _ct._CFuncPtr) or cls._type_ in _TEXTS or cls._type_ == "P"


def make_view(cls: Any, holder: Any, offset: int) -> Any:
    """An object that uses the memory of another one."""
    return cls.from_buffer(holder, offset)


def reduce_pointer(pointer: Any, context: ReduceContext) -> Any:
    """By what it points to. A tombstone where that is memory of C code's."""
    found = _home(pointer)
    if found is not None:
        return context.tombstone(pointer, "it is a part of memory with addresses in it")
    address = ctypes.cast(pointer, ctypes.c_void_p).value
    if address is None:
        return type(pointer), (), attributes(pointer), None, None, fill
    target = next(_targets(pointer, address, 0), None)
    if target is None or _is_lost(target[0]):
        return context.tombstone(pointer, "it points to memory that is not Python's")
    return make_pointer, (type(pointer), *target), attributes(pointer), None, None, fill


def make_pointer(cls: Any, target: Any, offset: int) -> Any:
    """A pointer to some place in an object, which it keeps alive."""
    if isinstance(target, _Data) and not offset:
        return cls(target) if type(target) is getattr(cls, "_type_", None) else ctypes.cast(target, cls)
    return ctypes.cast((ctypes.c_char * 0).from_buffer(target, offset), cls)


class _Memory(Quiet):
    name = "ctypes_data"
    module = "ctypes"

    def reducers(self) -> Mapping[type, Reducer]:
        kinds = (_ct.Structure, _ct.Union, _ct.Array, _ct._SimpleCData)
        return {
            type(_ct.Array): reduce_array_class,
            type(_ct._Pointer): reduce_pointer_class,
            _ct._Pointer: reduce_pointer,
            **dict.fromkeys(kinds, reduce_data),
        }


ADAPTER = _Memory()
