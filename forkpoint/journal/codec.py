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

_PAYS_NUMBERS = 1.25
"""The same for large buffers, which most of a commit's time goes to: 1 GB takes a core 2-3 s to compress, and to write
a tenth of it less saves that only where a disk is slower than 50 MB/s."""

_SAMPLE_BYTES = 8 << 10
_MISSES = 4
_TRIED_AGAIN = 8
"""Once so many chunks of numbers in a row did not pay, only every so manyth is tried: the samples of weights took a
tenth of a child's time."""

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
        self._misses = 0

    def _pays(self, data: memoryview, itemsize: int, ratio: float) -> bool:
        """Whether three samples of a long chunk compress well enough."""
        if len(data) <= 4 * _SAMPLE_BYTES:
            return True
        middle = len(data) // 2 - len(data) // 2 % itemsize
        last = len(data) - _SAMPLE_BYTES - len(data) % itemsize
        sample = b"".join([data[start : start + _SAMPLE_BYTES] for start in (0, middle, last)])
        if itemsize > 1:
            sample = _shuffled(sample, itemsize)
        return len(sample) >= ratio * len(self._zstd.compress(sample))

    def encode(
        self, data: bytes | bytearray | memoryview, itemsize: int, *, numbers: bool = False
    ) -> tuple[int, bytes | bytearray | memoryview]:
        """(codec, stored bytes). `itemsize` > 1 says the bytes are numbers of that many bytes each; `numbers`, that
        they are part of a large buffer.
        """
        if not numbers:
            return self._encode(data, itemsize, _PAYS)
        if self._misses >= _MISSES and self._misses % _TRIED_AGAIN:
            self._misses += 1
            return RAW, data
        codec, stored = self._encode(data, itemsize, _PAYS_NUMBERS)
        self._misses = self._misses + 1 if codec == RAW else 0
        return codec, stored

    def _encode(
        self, data: bytes | bytearray | memoryview, itemsize: int, ratio: float
    ) -> tuple[int, bytes | bytearray | memoryview]:
        length = len(data)
        if length < _SMALL_BYTES or not self._pays(memoryview(data), itemsize, ratio):
            return RAW, data
        packed = self._zstd.compress(_shuffled(bytes(data), itemsize) if itemsize > 1 else data)
        if length < ratio * len(packed):
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
