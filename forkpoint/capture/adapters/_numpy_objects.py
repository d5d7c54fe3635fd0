"""Arrays that hold Python objects: numpy shows no raw bytes of them; their views are made by stepping through them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from forkpoint.capture.adapters._numpy_layout import in_memory_order, is_dense

_Shape = tuple[int, ...]


def elements(flat: Any) -> list[Any]:
    """As `tolist()`; what that shows of a field that is an array is a window on this one."""
    if not flat.dtype.names:
        return flat.tolist()  # type: ignore[no-any-return]
    return [_apart(element, flat.dtype) for element in flat.tolist()]


def _apart(element: Any, dtype: Any) -> Any:
    if dtype.names:
        return tuple(_apart(part, dtype[name]) for part, name in zip(element, dtype.names, strict=True))
    return np.array(element, dtype.base) if dtype.shape else element


def index_of(a: Any, offset: int) -> tuple[int, ...]:
    """Of which element the first byte is `offset` bytes from the lowest of the array."""
    index = [0] * a.ndim
    for axis in sorted(range(a.ndim), key=lambda axis: -abs(a.strides[axis])):
        number, offset = divmod(offset, abs(a.strides[axis])) if a.strides[axis] else (0, offset)
        index[axis] = number if a.strides[axis] >= 0 else a.shape[axis] - 1 - number
    return tuple(index)


def object_view(base: Any, cls: type, dtype: Any, shape: _Shape, strides: _Shape, offset: int) -> Any:
    """numpy refuses to see object pointers in raw bytes, so step through the owner's own elements.

    Raises TypeError for what cannot be made so: structured elements at uneven steps.
    """
    plain = base.view(np.ndarray) if type(base) is not np.ndarray else base
    flat = in_memory_order(plain) if is_dense(plain) else plain.reshape(-1)
    if not flat.size or 0 in shape:
        return np.empty(shape, dtype).view(cls)
    first = flat[offset // plain.itemsize :]
    if dtype != plain.dtype:
        first = _field(first, dtype, offset % plain.itemsize)
    view = _strided(first, shape, strides)
    return view if cls is np.ndarray else view.view(cls)


def _strided(first: Any, shape: _Shape, strides: _Shape) -> Any:
    """From its first element on, in this shape; by slicing where it can be, since numpy restricts `as_strided`."""
    inner = zip(strides, strides[1:], shape[1:], strict=False)
    is_even = first.ndim == 1 and shape != () and all(outer == step * count for outer, step, count in inner)
    step, rest = divmod(strides[-1], first.strides[0]) if is_even else (0, 0)
    last = (math.prod(shape) - 1) * step
    if step > 0 and rest == 0 and last < len(first):
        return first[: last + 1 : step].reshape(shape)
    return np.lib.stride_tricks.as_strided(first, shape, strides)


def _field(a: Any, dtype: Any, offset: int) -> Any:
    """The field of structured `a`, or the fields, that lie at `offset` bytes and have this dtype."""
    if offset == 0 and dtype.names and set(dtype.names) <= set(a.dtype.names or ()):
        some = a[list(dtype.names)]
        if some.dtype == dtype:
            return some
    for name, (kind, start, *_) in (a.dtype.fields or {}).items():
        if start <= offset < start + kind.itemsize:
            number, rest = divmod(offset - start, kind.base.itemsize)
            field = a[name][(slice(None), *map(int, np.unravel_index(number, kind.shape)))] if kind.shape else a[name]
            return field if kind.base == dtype else _field(field, dtype, rest)
    raise TypeError(f"no field of {a.dtype} is a {dtype} at byte {offset}")
