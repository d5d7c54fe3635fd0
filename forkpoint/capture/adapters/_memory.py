"""Raw memory of array libraries: bytes by address, fresh arrays at a wanted alignment, who owns which block."""

from __future__ import annotations

import bisect
import ctypes
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

ALIGNMENT: Final = 64
"""Addresses come back equal modulo this many bytes (a cache line, the widest vector): kernels sum in another order
otherwise."""

_TRIES: Final = 128
"""Allocations tried until the alignment fits. malloc offers four residues; on average four or five tries do."""

_TRIES_SMALL: Final = 8192
"""The same for small blocks: malloc first gives those that were given back, and thousands may not fit."""

_SMALL_BYTES: Final = 1024
"""Below, numpy keeps a block that is given back, and offers it again."""

_PAD: Final = 1280
"""Bytes of the smallest padding block: above what numpy and the C library keep in caches of their own."""


_CYTHON_VIEWS: Final = frozenset({"memoryview", "_memoryviewslice"})
"""Names of the class that Cython puts into each extension module, or into `_cyutility`, for its typed memoryviews."""


def _is_cython_view(obj: Any) -> bool:
    kind = type(obj)
    return kind is not memoryview and kind.__name__ in _CYTHON_VIEWS and hasattr(kind, "base")


def behind_cython(base: Any) -> Any:
    """Who owns the memory that an array shows: `base`, unless Cython code lent it (`np.asarray(typed[1:5])`).

    Cython's memoryviews can neither be pickled nor made from Python, so the array becomes a view of what they show.
    """
    owner: Any = base.obj if type(base) is memoryview else base
    if not _is_cython_view(owner):
        return base
    while _is_cython_view(owner):
        owner = owner.base
    return owner


def view(address: int, nbytes: int) -> memoryview:
    """The `nbytes` bytes at `address`, writable, format B. The caller keeps their owner alive."""
    if nbytes == 0:
        return memoryview(bytearray())
    return memoryview((ctypes.c_ubyte * nbytes).from_address(address)).cast("B")


def aligned(
    allocate: Callable[[], Any],
    address_of: Callable[[Any], int],
    pad: Callable[[int], Any],
    want: int,
    nbytes: int,
) -> Any:
    """A block of `nbytes` that `allocate()` gave at `want` modulo ALIGNMENT; None if malloc would not give it.

    `pad(nbytes)` allocates from the same heap. After a miss by d bytes the block is given back and one of d bytes
    (modulo ALIGNMENT) put in its place, so that the next one lands right; giving back a mapped block also
    raises glibc's dynamic mmap threshold, so the next one comes from the heap (mapped ones are always at 16).
    Small blocks are all kept until one fits; the paddings grow by 16 bytes, so that no two rounds go the same way.
    """
    kept: list[Any] = []
    small = nbytes < _SMALL_BYTES
    for attempt in range(_TRIES_SMALL if small else _TRIES):
        block = allocate()
        missed = (want - address_of(block)) % ALIGNMENT
        if missed == 0:
            return block
        if small or attempt % 2:
            kept.append(block)
        del block
        kept.append(pad(_PAD - 16 + missed + (ALIGNMENT + 16) * (attempt // 4 % 32)))
    return None


class Blocks:
    """Memory blocks met while one image is being saved: what overlaps a known block is saved as a view of it."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._blocks: list[tuple[int, int, Any]] = []

    def add(self, address: int, nbytes: int, owner: Any) -> None:
        """Remember that `owner` holds [address, address + nbytes). Keeps `owner` alive."""
        at = bisect.bisect(self._starts, address)
        self._starts.insert(at, address)
        self._blocks.insert(at, (address, nbytes, owner))

    def find(self, address: int, nbytes: int) -> tuple[int, Any] | None:
        """(start, owner) of a known block that holds all of [address, address + nbytes), or None."""
        at = bisect.bisect(self._starts, address) - 1
        if at < 0:
            return None
        start, length, owner = self._blocks[at]
        return (start, owner) if address + nbytes <= start + length else None


_blocks: WeakKeyDictionary[Any, Blocks] = WeakKeyDictionary()


def blocks(context: Any) -> Blocks:
    """The blocks of the image that `context` is saving; forgotten with it."""
    known = _blocks.get(context)
    if known is None:
        known = _blocks[context] = Blocks()
    return known
