"""How a chunk's bytes are packed: raw, zstd, or byte-shuffled zstd; a sample decides whether it pays."""

from __future__ import annotations

import zstandard

from forkpoint import errors

RAW = 0
ZSTD = 1
SHUFFLED = 2

_LEVEL = 1
_PAYS = 1.05
"""Below this ratio the time to compress and decompress buys nothing."""

_SAMPLE_BYTES = 8 << 10
_SMALL_BYTES = 64
"""Shorter chunks are stored raw: a zstd frame's own header eats the gain."""


def _shuffled(data: bytes, itemsize: int) -> bytes:
    """All first bytes of the items, then all second bytes, ...; a tail that fills no item stays at the end."""
    whole = len(data) - len(data) % itemsize
    return b"".join([data[place:whole:itemsize] for place in range(itemsize)]) + data[whole:]


def _unshuffled(data: bytes, itemsize: int) -> bytes:
    items = len(data) // itemsize
    whole = items * itemsize
    result = bytearray(data)
    for place in range(itemsize):
        result[place:whole:itemsize] = data[place * items : (place + 1) * items]
    return bytes(result)


class Encoder:
    """Packs chunks; keeps its zstd context, so one per pack being written."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)

    def _pays(self, data: bytes, itemsize: int) -> bool:
        """Whether three samples of a long chunk compress well enough."""
        if len(data) <= 4 * _SAMPLE_BYTES:
            return True
        middle = len(data) // 2 - len(data) // 2 % itemsize
        last = len(data) - _SAMPLE_BYTES - len(data) % itemsize
        sample = b"".join(data[start : start + _SAMPLE_BYTES] for start in (0, middle, last))
        if itemsize > 1:
            sample = _shuffled(sample, itemsize)
        return len(sample) >= _PAYS * len(self._zstd.compress(sample))

    def encode(self, data: bytes | bytearray | memoryview, itemsize: int) -> tuple[int, bytes | bytearray | memoryview]:
        """(codec, stored bytes). `itemsize` > 1 says the bytes are numbers of that many bytes each."""
        length = len(data)
        if length < _SMALL_BYTES:
            return RAW, data
        plain = bytes(data)
        if not self._pays(plain, itemsize):
            return RAW, data
        packed = self._zstd.compress(_shuffled(plain, itemsize) if itemsize > 1 else plain)
        if length < _PAYS * len(packed):
            return RAW, data
        return (SHUFFLED if itemsize > 1 else ZSTD), packed


def decode(codec: int, itemsize: int, stored: bytes, length: int) -> bytes:
    """The `length` bytes that were packed. The caller has authenticated `stored` and limited `length`."""
    if codec == RAW:
        plain = stored
    elif codec in (ZSTD, SHUFFLED):
        try:
            if zstandard.frame_content_size(stored) != length:
                raise errors.IntegrityError("a compressed chunk declares another length than its record")
            plain = zstandard.ZstdDecompressor().decompress(stored, max_output_size=length)
        except zstandard.ZstdError as error:
            raise errors.IntegrityError(f"a compressed chunk cannot be read: {error}") from None
        if codec == SHUFFLED:
            plain = _unshuffled(plain, itemsize)
    else:
        raise errors.IntegrityError(f"unknown codec {codec}")
    if len(plain) != length:
        raise errors.IntegrityError(f"a chunk has {len(plain)} bytes where its record says {length}")
    return plain
