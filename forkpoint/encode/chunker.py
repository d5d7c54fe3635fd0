"""Where a stream or a buffer is cut into chunks; pure.

Streams of small objects are cut where the bytes say so (a gear hash over the last 64), so that what is inserted in
the middle moves no later boundary. Buffers are cut at fixed offsets from their start: arrays are written in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from forkpoint import _native
from forkpoint.limits import CHUNK_BYTES

STREAM_CHUNK_MIN_BYTES: Final = 16 << 10
"""Below, a chunk's index entry and frame cost more than what sharing it saves."""

STREAM_CHUNK_MAX_BYTES: Final = 256 << 10
"""A stream without boundaries (one long string) must still be cut."""

STREAM_CHUNK_MASK: Final = 0xFFFF << 44
"""16 bits of the hash: a boundary every 64 KiB on average beyond the minimum, taken high where the hash is mixed."""


def stream_cut(data: bytes | bytearray | memoryview, start: int) -> int:
    """Length of the chunk beginning at `start`, or 0 when more data is needed to know."""
    length: int = _native.chunk_cut(data, start, STREAM_CHUNK_MIN_BYTES, STREAM_CHUNK_MASK, STREAM_CHUNK_MAX_BYTES)
    return length


def buffer_cuts(length: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each chunk of a buffer of `length` bytes."""
    for start in range(0, length, CHUNK_BYTES):
        yield start, min(start + CHUNK_BYTES, length)
