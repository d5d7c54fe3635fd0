"""Views of memory and arrays of machine numbers: over the same exporter, at the same place."""

from __future__ import annotations

import array
from typing import Any

from forkpoint import _native
from forkpoint.encode.reducers import Context, reduces
from forkpoint.encode.tombstones import Absent


def make_view(exporter: Any, offset: int, nbytes: int, form: str, shape: tuple[int, ...], readonly: bool) -> Any:
    """A contiguous view of part of an exporter's memory; of a tombstone, that tombstone."""
    if type(exporter) is Absent:
        return exporter
    view = memoryview(exporter).cast("B")[offset : offset + nbytes]
    if form != "B" or len(shape) != 1:
        view = view.cast(form, shape) if 0 not in shape else view.cast(form)  # type: ignore[call-overload]
    return view.toreadonly() if readonly else view


def make_strided_view(exporter: Any, offset: int, form: str, length: int, stride: int, readonly: bool) -> Any:
    """A one-dimensional view with a step; of a tombstone, that tombstone."""
    if type(exporter) is Absent:
        return exporter
    whole = memoryview(exporter).cast("B").cast(form)  # type: ignore[call-overload]
    size = whole.itemsize
    first, step = offset // size, stride // size
    stop = first + length * step
    view = whole[first : stop if stop >= 0 else None : step]
    return view.toreadonly() if readonly else view


def released_view() -> memoryview:
    """A view that was released."""
    view = memoryview(b"")
    view.release()
    return view


@reduces(memoryview)
def _reduce_view(obj: Any, context: Context) -> Any:
    try:
        exporter = obj.obj
    except ValueError:
        return released_view, ()
    if exporter is None:
        return context.tombstone(obj, "a view of memory that no object owns")
    offset = _native.memoryview_offset(obj)
    readonly = obj.readonly and not memoryview(exporter).readonly
    if obj.c_contiguous:
        how: tuple[Any, Any] = make_view, (exporter, offset, obj.nbytes, obj.format, obj.shape, readonly)
    elif obj.ndim == 1 and obj.strides is not None and obj.strides[0] % obj.itemsize == 0 and obj.shape is not None:
        how = make_strided_view, (exporter, offset, obj.format, obj.shape[0], obj.strides[0], readonly)
    else:
        return context.tombstone(obj, "a view of several dimensions that is not contiguous")
    try:
        how[0](*how[1]).release()
    except (TypeError, ValueError) as problem:  # of an exporter that does not show its bytes
        return context.tombstone(obj, f"a view of a {type(exporter).__qualname__}: {problem}")
    return how


def make_array(kind: type[array.array[Any]], code: str) -> Any:
    """An empty array."""
    return array.array.__new__(kind, code)


def fill_array(target: Any, state: tuple[Any, dict[str, Any] | None]) -> None:
    """The numbers, read straight into place."""
    source, attributes = state
    target.frombytes(bytes(source.nbytes))
    with memoryview(target) as view:
        if source.nbytes:
            source.readinto(view.cast("B"))
    if attributes:
        _native.instance_fill(target, attributes)


@reduces(array.array, subclasses=True)
def _reduce_array(obj: Any, context: Context) -> Any:
    view = memoryview(obj)
    source = context.buffer(view.cast("B") if view.nbytes else memoryview(b""), obj.itemsize)
    attributes = _native.instance_dict(obj)[0]
    return make_array, (type(obj), obj.typecode), (source, attributes), None, None, fill_array
