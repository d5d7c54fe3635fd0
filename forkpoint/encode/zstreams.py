"""zlib's compressors and decompressors in the middle of their streams: carried from zlib's memory, as hashes are.

A compressor's state is all there is of what it was given and has not put out. Proved when saving, by another one that
was made so and puts out the same, also given more; when restoring, by what it still has to put out.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode import tombstones
from forkpoint.encode.cstate import Opaque, Shape, State, loaded, put, stored, take
from forkpoint.encode.reducers import Context, reduces

_STREAM: Final = object.__basicsize__
"""compobject (Modules/zlibmodule.c) begins with its z_stream (zlib.h): totals, state, data type and checksum matter."""
_ZDICT: Final = _STREAM + 112 + 24
_WINDOWS: Final = tuple((_STREAM + offset, size) for offset, size in ((16, 8), (40, 8), (56, 8), (88, 16)))
_SHAPE: Final = Shape(_WINDOWS, 1 << 14, ("libz", "zlib"), own_only=True)
_MORE: Final = bytes(range(256)) * 8 + b"forkpoint " * 300
_GUESSES: Final = (b"\x00" * 64, b"\x55\xaa" * 200, b"")

_Compress: Final[Any] = type(zlib.compressobj())
_Decompress: Final[Any] = type(zlib.decompressobj())
_SHOWN: Final = ("unused_data", "unconsumed_tail", "eof")


def _sizes() -> Iterator[tuple[int, int]]:
    """Window bits and memory levels: what decides how large a compressor's blocks are; zlib's defaults first."""
    yield 15, 8
    for bits in range(15, 8, -1):
        for level in range(1, 10):
            if (bits, level) != (15, 8):
                yield bits, level


def _compressor(bits: int, level: int, state: State) -> Any:
    # A copy of a fresh one: deflateCopy() is how the other was copied too.
    made = zlib.compressobj(wbits=bits, memLevel=level).copy()
    put(made, _SHAPE, state)
    return made


def ended_compressor() -> Any:
    """A compressor that was flushed for good."""
    made = zlib.compressobj()
    made.flush()
    return made


def make_compressor(bits: int, level: int, kept: State, expected: int) -> Any:
    """The compressor where it was, or a tombstone. `expected`: checksum of what it still has to put out."""
    try:
        state = loaded(kept)
        if zlib.crc32(_compressor(bits, level, state).flush()) != expected:
            raise Opaque("what came back puts out something else")
        return _compressor(bits, level, state)
    except Exception as error:
        reason = f"its state could not be brought back: {error}"
        return tombstones.make("a zlib compressor", "zlib.Compress", reason)


@reduces(_Compress)
def _reduce_compressor(obj: Any, context: Context) -> Any:
    try:
        copy, twin = obj.copy(), obj.copy()
    except ValueError:  # "Inconsistent stream state": zlib gave its memory back when it was flushed for good
        return ended_compressor, ()
    try:
        bits, level, state = _state_of(copy, twin)
        made = _compressor(bits, level, state)
    except (Opaque, OSError) as error:
        return context.tombstone(obj, f"zlib keeps a compressor's state to itself: {error}")
    again = _compressor(bits, level, state)
    rest = twin.flush()
    same = rest == made.flush() and copy.compress(_MORE) + copy.flush() == again.compress(_MORE) + again.flush()
    if not same:
        return context.tombstone(obj, "zlib keeps a compressor's state to itself, and it could not be read")
    return make_compressor, (bits, level, stored(state, context), zlib.crc32(rest))


def _state_of(copy: Any, twin: Any) -> tuple[int, int, State]:
    for bits, level in _sizes():
        try:
            fresh, other = (zlib.compressobj(wbits=bits, memLevel=level).copy() for _ in range(2))
            return bits, level, take(copy, twin, fresh, other, _SHAPE)
        except Opaque:  # of other sizes
            continue
    raise Opaque("no compressor made here has blocks like it")


def _fresh_decompressor(bits: int) -> Any:
    """One that has got its window, which comes with the first byte that is put out."""
    made = zlib.decompressobj(-bits)
    packer = zlib.compressobj(wbits=-9)
    made.decompress(packer.compress(b"x") + packer.flush(zlib.Z_SYNC_FLUSH))
    return made.copy()


def _decompressor(bits: int, state: State) -> Any:
    made = _fresh_decompressor(bits)
    put(made, _SHAPE, state)
    return made


def ended_decompressor() -> Any:
    """A decompressor that was flushed after its stream's end."""
    made = zlib.decompressobj()
    made.decompress(zlib.compress(b""))
    made.flush()
    return made


def show(obj: Any, shown: dict[str, Any]) -> None:
    """What a decompressor offers as attributes."""
    if type(obj) is tombstones.Absent:
        return
    for name, value in shown.items():
        _native.member_set(vars(_Decompress)[name], obj, value)


def make_decompressor(bits: int, kept: State) -> Any:
    """The decompressor where it was, or a tombstone."""
    try:
        return _decompressor(bits, loaded(kept))
    except Exception as error:
        reason = f"its state could not be brought back: {error}"
        return tombstones.make("a zlib decompressor", "zlib.Decompress", reason)


def _outcome(obj: Any, data: bytes) -> Any:
    try:
        return obj.decompress(data), obj.flush(), obj.eof
    except zlib.error as error:
        return str(error)


@reduces(_Decompress)
def _reduce_decompressor(obj: Any, context: Context) -> Any:
    shown = {name: getattr(obj, name) for name in _SHOWN}
    if any(_native.memory_read(id(obj) + _ZDICT, 8)):
        return context.tombstone(obj, "a decompressor with a dictionary does not show it")
    try:
        copy, twin = obj.copy(), obj.copy()
    except ValueError:
        return ended_decompressor, (), shown, None, None, show
    try:
        bits, state = _window_of(copy, twin)
        made = [_decompressor(bits, state) for _ in _GUESSES]
    except (Opaque, OSError) as error:
        return context.tombstone(obj, f"zlib keeps a decompressor's state to itself: {error}")
    for other, guess in zip(made, _GUESSES, strict=True):
        show(other, shown)
        if _outcome(other, guess) != _outcome(obj.copy(), guess):
            return context.tombstone(obj, "zlib keeps a decompressor's state to itself, and it could not be read")
    return make_decompressor, (bits, stored(state, context)), shown, None, None, show


def _window_of(copy: Any, twin: Any) -> tuple[int, State]:
    for bits in range(15, 8, -1):
        try:
            return bits, take(copy, twin, _fresh_decompressor(bits), _fresh_decompressor(bits), _SHAPE)
        except Opaque:  # of another size
            continue
    raise Opaque("no decompressor made here has blocks like it")
