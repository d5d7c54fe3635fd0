"""numpy arrays: owners with their bytes, views as views, at the same alignment, with the same strides and flags.

What is kept: shape, strides, dtype, writeable flag, owndata, the chain of bases (so that two views of one owner
still share memory), and for subclasses every Python attribute. Memory that belongs to something else (bytes,
bytearray, memoryview, array, mmap, a tensor) stays shared with it; memory of an owner nobody can name (Cython,
capsules) is copied.
"""

from __future__ import annotations

import array
import mmap
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from forkpoint import _native
from forkpoint.capture.adapters import _memory
from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._numpy_layout import address, extent, in_memory_order, is_dense
from forkpoint.capture.adapters._numpy_objects import elements, index_of, object_view
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import BufferSource, ReduceContext, Reducer

_BUFFERS: Final = (bytes, bytearray, memoryview, array.array, mmap.mmap)
"""Owners of memory that are saved themselves and lend their bytes again."""

_HEAPTYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE, Include/object.h

FOREIGN: dict[type, Callable[[Any, Any, ReduceContext], Any]] = {}
"""Type of a base -> (array, base, context) -> reduce value. Other libraries' adapters enter their owners here."""

_Shape = tuple[int, ...]


class _Interface:
    """Lends `nbytes` bytes from `start` on through numpy's array interface, keeping `base` alive."""

    def __init__(self, base: Any, start: int, nbytes: int) -> None:
        self.base = base
        self.__array_interface__ = {"data": (start, False), "shape": (nbytes,), "typestr": "|u1", "version": 3}


_TRANSPARENT: Final = (_Interface, type(np.lib.stride_tricks.as_strided(np.empty(1), (1,), (8,)).base))
"""Holders numpy puts between a view and its owner; their `base` is the owner."""


def bytes_of(base: Any) -> Any:
    """All memory of array `base`, lowest byte first, as bytes whose own base is `base` where numpy allows it."""
    plain = base if type(base) is np.ndarray else base.view(np.ndarray)
    if plain.size and is_dense(plain):
        return in_memory_order(plain).view(np.uint8)
    low, high = extent(plain.shape, plain.strides, plain.itemsize)
    return np.asarray(_Interface(base, address(plain) + low, high - low))


def _bytes_for(cls: type, base: Any) -> Any:
    """The same; numpy leaves a memmap or recarray `base` the very base of a view of its class."""
    known = type(base) is cls is not np.ndarray and cls.__module__.startswith("numpy")
    if known and base.ndim and base.size and base.flags.c_contiguous:
        return np.ndarray.view(base, np.uint8)
    return bytes_of(base)


def _writeable(a: Any, wanted: bool) -> Any:
    if a.flags.writeable != wanted:
        a.flags.writeable = wanted
    return a


# --- saving ---------------------------------------------------------------------------------------------------


def reduce_array(a: Any, context: ReduceContext) -> Any:
    """The reducer of `np.ndarray` and its subclasses. Declines classes with C fields of their own."""
    cls: type[Any] = type(a)
    if cls is not np.ndarray:
        for parent in cls.__mro__[: cls.__mro__.index(np.ndarray)]:
            if issubclass(parent, np.ndarray) and not parent.__flags__ & _HEAPTYPE:
                return NotImplemented
    base: Any = a.base
    if isinstance(a, np.memmap) and isinstance(base, mmap.mmap):
        return _reduce_memmap(a, context)
    while type(base) in _TRANSPARENT:
        base = base.base
    base = _memory.behind_cython(base)
    if isinstance(base, np.ndarray):
        value = _reduce_view(a, base)
        if a.dtype.hasobject and a.dtype.names and not _can_be_made(*value):
            return context.tombstone(a, "numpy does not make such a view of rows that hold objects again")
        return _with_state(value, a)
    if isinstance(base, _BUFFERS) and not a.dtype.hasobject:
        if a.flags.writeable and memoryview(base).readonly:  # as numpy unpickles: the bytes are the array's own
            return _reduce_owner(a, context)
        return _with_state(_reduce_lent(a, base), a)
    for kind in type(base).__mro__ if base is not None else ():
        if kind in FOREIGN:
            return _with_state(FOREIGN[kind](a, base, context), a)
    return _reduce_owner(a, context)


def layout(a: Any) -> tuple[type, Any, _Shape, _Shape, bool]:
    """Class, dtype, shape, strides in bytes, writeable flag: what every rebuilding function starts with."""
    return type(a), a.dtype, a.shape, a.strides, bool(a.flags.writeable)


def _with_state(value: Any, a: Any) -> Any:
    if type(a) is np.ndarray:
        return value
    state = attributes(a, frozenset({"_mmap"}) if isinstance(a, np.memmap) else frozenset())
    return (*value, state, None, None, fill_subclass) if state else value


def _can_be_made(make: Any, arguments: Any) -> bool:
    try:
        make(*arguments)
    except TypeError:
        return False
    return True


def _reduce_view(a: Any, base: Any) -> Any:
    low, high = extent(a.shape, a.strides, a.itemsize)
    base_low, base_high = extent(base.shape, base.strides, base.itemsize)
    offset = address(a) - (address(base) + base_low)
    if a.size and (offset + low < 0 or offset + high > base_high - base_low):
        base = base.base  # a window wider than the view it was made from: its memory is the owner's
        if not isinstance(base, np.ndarray):
            return make_copy, (layout(a), a.tobytes())
        return _reduce_view(a, base)
    return make_view, (layout(a), base, offset if a.size else 0)


def _reduce_lent(a: Any, base: Any) -> Any:
    whole = np.asarray(base) if isinstance(base, memoryview) else np.frombuffer(base, np.uint8)
    low, _ = extent(whole.shape, whole.strides, whole.itemsize)
    return make_lent, (layout(a), base, address(a) - address(whole) - low if a.size else 0)


def _reduce_owner(a: Any, context: ReduceContext) -> Any:
    if a.dtype.hasobject:
        return _reduce_objects(a)
    low, high = extent(a.shape, a.strides, a.itemsize)
    start, nbytes = address(a) + low, high - low
    known = _memory.blocks(context).find(start, nbytes) if nbytes else None
    if known is not None and known[1] is not a:  # memory two libraries share, or an owner nobody can name
        owner = known[1]
        if isinstance(owner, np.ndarray):
            return _with_state(_reduce_view(a, owner), a)
        return _with_state(FOREIGN[type(owner)](a, owner, context), a)
    source = context.buffer(_memory.view(start, nbytes), a.itemsize)
    if nbytes:
        _memory.blocks(context).add(start, nbytes, a)
    return _with_state((make_array, (layout(a), start % _memory.ALIGNMENT, source)), a)


def _reduce_objects(a: Any) -> Any:
    plain = a.view(np.ndarray) if type(a) is not np.ndarray else a
    flat = in_memory_order(plain) if is_dense(plain) else plain.reshape(-1)
    order = a.strides if is_dense(plain) else np.empty(a.shape, a.dtype).strides
    return (
        make_objects,
        (type(a), a.dtype, a.shape, order),
        (elements(flat), bool(a.flags.writeable), None if type(a) is np.ndarray else attributes(a)),
        None,
        None,
        fill_objects,
    )


def _reduce_memmap(a: Any, context: ReduceContext) -> Any:
    """A mapped file is mapped again; what the program wrote to it is saved, since the file may have moved on."""
    writes = a.mode != "r"
    low, high = extent(a.shape, a.strides, a.itemsize)
    content = context.buffer(_memory.view(address(a) + low, high - low), a.itemsize) if writes else None
    state = attributes(a, frozenset({"_mmap"}))
    value = (make_memmap, (layout(a), str(a.filename), a.mode, a.offset, content))
    return (*value, state, None, None, fill_subclass)


def reduce_dtype(dtype: Any, context: ReduceContext) -> Any:
    """numpy's own descriptor of a plain type stays that very object; pickle would make a copy of it."""
    if dtype.names is None and not dtype.hasobject and not dtype.metadata and np.dtype(dtype.type) is dtype:
        return np.dtype, (dtype.type,)
    return NotImplemented


def reduce_void(scalar: Any, context: ReduceContext) -> Any:
    """A structured scalar that is a window on its array (`table[3]`) stays one."""
    base = scalar.base
    if not isinstance(base, np.ndarray):
        return NotImplemented
    start = _native.buffer_address(scalar) if scalar.itemsize else 0
    low, high = extent(base.shape, base.strides, base.itemsize)
    offset = start - address(base) - low
    if not 0 <= offset <= high - low - scalar.itemsize:
        return NotImplemented
    if scalar.dtype.hasobject:
        if base.dtype != scalar.dtype:
            return context.tombstone(scalar, "a part of a row of a structured array that holds objects")
        return make_row, (base, index_of(base, offset))
    return make_void, (base, scalar.dtype, offset)


def reduce_flatiter(iterator: Any, context: ReduceContext) -> Any:
    """`a.flat` in the middle of its way."""
    return make_flatiter, (iterator.base, iterator.index)


def reduce_nditer(iterator: Any, context: ReduceContext) -> Any:
    """numpy does not tell how an nditer was made, so it cannot be made again."""
    return context.tombstone(iterator, "numpy does not tell how this iterator was made; use a loop over indices")


# --- rebuilding -----------------------------------------------------------------------------------------------


def _allocate(cls: type, dtype: Any, shape: _Shape, strides: _Shape) -> Any:
    """A fresh owner with these strides; some other dense order if numpy cannot make exactly these."""
    fresh: Any = np.ndarray.__new__(cls, shape, dtype)
    if fresh.strides == strides or fresh.size == 0:
        return fresh
    fresh = np.ndarray.__new__(cls, shape, dtype, order="F")
    if fresh.strides == strides:
        return fresh
    pattern = np.lib.stride_tricks.as_strided(np.empty(1, dtype), shape, strides)
    permuted = np.empty_like(pattern)
    return permuted if cls is np.ndarray else permuted.view(cls)


def _pad(nbytes: int) -> Any:
    return np.empty(nbytes, np.uint8)


def make_array(how: tuple[type, Any, _Shape, _Shape, bool], residue: int, source: BufferSource) -> Any:
    """An owner: fresh memory at `residue` modulo ALIGNMENT, filled from `source`."""
    cls, dtype, shape, strides, writeable = how
    low, high = extent(shape, strides, dtype.itemsize)
    nbytes = high - low
    size = 1
    for n in shape:
        size *= n
    fresh: Any = None
    if nbytes == 0 or (low == 0 and nbytes == size * dtype.itemsize):
        fresh = _allocate(cls, dtype, shape, strides)
        if nbytes and address(fresh) % _memory.ALIGNMENT != residue:
            fresh = _memory.aligned(lambda: _allocate(cls, dtype, shape, strides), address, _pad, residue, nbytes)
        if fresh is not None and size and extent(fresh.shape, fresh.strides, fresh.itemsize) != (low, high):
            fresh = None
    if fresh is None:  # malloc never gave this alignment, or these strides are not dense: a view of a larger block
        block = np.empty(nbytes + _memory.ALIGNMENT, np.uint8)
        skip = (residue - address(block)) % _memory.ALIGNMENT
        fresh = np.ndarray.__new__(cls, shape, dtype, block, skip - low, strides)
    if nbytes:
        source.readinto(_memory.view(address(fresh) + low, nbytes))
    return _writeable(fresh, writeable)


def make_copy(how: tuple[type, Any, _Shape, _Shape, bool], data: bytes) -> Any:
    """The elements alone, where nobody can say whose memory they were in."""
    cls, dtype, shape, _, writeable = how
    copy: Any = np.frombuffer(data, dtype).reshape(shape).copy()
    return _writeable(copy if cls is np.ndarray else copy.view(cls), writeable)


def make_view(how: tuple[type, Any, _Shape, _Shape, bool], base: Any, offset: int) -> Any:
    """A view of `base`'s memory; `offset` in bytes from its lowest byte to the view's first element. Of a tombstone,
    that tombstone.
    """
    if not isinstance(base, np.ndarray):
        return base
    cls, dtype, shape, strides, writeable = how
    owner = base
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    locked = writeable and not owner.flags.writeable and owner.base is None
    if locked:
        owner.flags.writeable = True  # a view made before its owner was made read-only stays writeable
    view: Any
    if dtype.hasobject or base.dtype.hasobject:
        view = object_view(base, cls, dtype, shape, strides, offset)
    elif cls is not np.ndarray and base.dtype == dtype and base.shape == shape and base.strides == strides:
        view = base.view(cls)
    else:
        view = np.ndarray.__new__(cls, shape, dtype, _bytes_for(cls, base), offset, strides)
    if not writeable or view.flags.writeable != writeable:
        _writeable(view, writeable)
    if locked:
        owner.flags.writeable = False
    return view


def make_lent(how: tuple[type, Any, _Shape, _Shape, bool], base: Any, offset: int) -> Any:
    """An array over memory that `base` (bytes, bytearray, memoryview, array, mmap) owns; a tombstone, where that is."""
    cls, dtype, shape, strides, writeable = how
    try:
        whole: Any = np.asarray(base) if isinstance(base, memoryview) else np.frombuffer(base, np.uint8)
    except TypeError:
        return base
    if (whole.dtype, whole.shape, whole.strides) == (dtype, shape, strides) and cls is np.ndarray:
        return _writeable(whole, writeable)
    return _writeable(np.ndarray.__new__(cls, shape, dtype, bytes_of(whole), offset, strides), writeable)


def make_objects(cls: type, dtype: Any, shape: _Shape, strides: _Shape) -> Any:
    """An owner of Python objects, still empty: elements may refer to the array itself."""
    return _allocate(cls, dtype, shape, strides)


def fill_objects(a: Any, state: tuple[list[Any], bool, Any]) -> None:
    """Put the elements, listed in memory order, into a fresh array of objects."""
    elements, writeable, extra = state
    flat = in_memory_order(a.view(np.ndarray))
    if a.dtype == object:
        if elements:
            flat[:] = np.fromiter(elements, object, len(elements))
    else:
        for index, element in enumerate(elements):
            flat[index] = element
    fill(a, extra)
    _writeable(a, writeable)


def make_memmap(
    how: tuple[type, Any, _Shape, _Shape, bool], filename: str, mode: str, offset: int, content: BufferSource | None
) -> Any:
    """Map the file again, at the same place and mode, with the content it had ("w+" must not empty it)."""
    cls, dtype, shape, strides, _ = how
    order: Any = "C" if len(shape) < 2 or strides == np.empty(shape, dtype).strides else "F"
    again: Any = "r+" if mode == "w+" else mode
    mapped: Any = cls(filename, dtype=dtype, mode=again, offset=offset, shape=shape, order=order)
    if content is not None and content.nbytes:
        content.readinto(_memory.view(address(mapped), content.nbytes))
    return mapped


def fill_subclass(a: Any, state: Any) -> None:
    """The Python attributes of a subclass; a view of a mapped file gets the mapping of its base."""
    fill(a, state)
    if isinstance(a, np.memmap) and getattr(a, "_mmap", None) is None:
        base = a.base
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        a.__dict__["_mmap"] = getattr(base, "_mmap", None)


def make_void(base: Any, dtype: Any, offset: int) -> Any:
    """A structured scalar that is a window on `base`'s memory."""
    window: Any = np.ndarray.__new__(np.ndarray, (), dtype, bytes_of(base), offset)
    return window[()]


def make_row(base: Any, index: tuple[int, ...]) -> Any:
    """An element of a structured array that holds objects, as a window on it."""
    return base[index]


def make_flatiter(base: Any, index: int) -> Any:
    """`base.flat`, `index` elements on its way."""
    iterator = base.flat
    for _ in range(index):
        next(iterator)
    return iterator


class _Arrays(Quiet):
    name = "numpy_arrays"
    module = "numpy"

    def reducers(self) -> Mapping[type, Reducer]:
        return {
            np.ndarray: reduce_array,
            np.dtype: reduce_dtype,
            np.void: reduce_void,
            np.flatiter: reduce_flatiter,
            np.nditer: reduce_nditer,
        }


ADAPTER = _Arrays()
