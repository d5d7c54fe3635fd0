"""Where the elements of a numpy array lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def address(a: Any) -> int:
    """Where the first element is."""
    return int(np.ndarray.ctypes.__get__(a).data)


def extent(shape: Sequence[int], strides: Sequence[int], itemsize: int) -> tuple[int, int]:
    """Lowest and highest byte (exclusive) that elements occupy, relative to the first element."""
    if 0 in shape:
        return 0, 0
    reach = [(n - 1) * step for n, step in zip(shape, strides, strict=True)]
    return sum(r for r in reach if r < 0), sum(r for r in reach if r > 0) + itemsize


def is_dense(a: Any) -> bool:
    low, high = extent(a.shape, a.strides, a.itemsize)
    return low == 0 and high == a.size * a.itemsize


def in_memory_order(a: Any) -> Any:
    """A one-dimensional view of a dense array's elements in the order they lie in memory."""
    axes = sorted(range(a.ndim), key=lambda axis: (-a.strides[axis], axis))
    return a.transpose(axes).reshape(-1)
