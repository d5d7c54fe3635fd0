"""Compressed files being read (gzip, bz2, lzma): decompressed again, when they come back, up to where they were.

No decompressor shows its state. But what it was fed is in the file beneath, from its beginning; so a second reader of
the same class, over the same content by a descriptor or copy of its own, is read to the same place and gives what it
has. It takes the very steps that a buffered reader takes: the file beneath then stands where it stood.
"""

from __future__ import annotations

import _compression
import _io
import os
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode import tombstones
from forkpoint.encode.reducers import FINISH, Context, reduces
from forkpoint.limits import REPLAY_PROVED_BYTES_MAX

_STEP: Final = _io.DEFAULT_BUFFER_SIZE
_STRIDE: Final = 1 << 20
_FILES: Final = (_io.FileIO, _io.BufferedReader, _io.BufferedRandom)
_READ: Final = ("_new_member", "_crc", "_stream_size")
"""What a reader of gzip notes of the member it is in."""


class _Unlike(Exception):
    """The second reader is not where the first was."""


def beneath(reader: Any) -> Any:
    """The file that the compressed bytes come from, of a kind that can be read a second time; None for others."""
    file = reader._fp
    if type(file).__name__ == "_PaddedFile":
        file = file.file
    if type(file).__module__ == "tempfile":
        file = getattr(file, "file", None)
    return file if isinstance(file, (*_FILES, _io.BytesIO)) else None


def _from_the_beginning(file: Any) -> Any:
    if isinstance(file, _io.BytesIO):
        return _io.BytesIO(_io.BytesIO.getvalue(file))
    return _io.open(os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY | os.O_CLOEXEC), "rb")


def _second(reader: Any, file: Any) -> Any:
    """A reader like the first, at the beginning."""
    kind = type(reader)
    if kind is _compression.DecompressReader:
        return kind(file, reader._decomp_factory, reader._trailing_error, **reader._decomp_args)
    return kind(file)


def _replayed(reader: Any, place: int, attributes: dict[str, Any]) -> Any:
    """A second reader where the first was; `place`: where the file beneath stood. Raises _Unlike, and what reading
    raises."""
    try:
        return _read_to(reader, place, attributes, step=_STEP, exceed=True)
    except _Unlike:
        return _read_to(reader, place, attributes, step=_STRIDE, exceed=False)


def _read_to(reader: Any, place: int, attributes: dict[str, Any], *, step: int, exceed: bool) -> Any:
    position = attributes["_pos"]
    with _from_the_beginning(beneath(reader)) as file:
        second = _second(reader, file)
        while second._pos < position:
            if not second.read(step if exceed else min(step, position - second._pos)):
                raise _Unlike("its file ends before the place that it was read to")
        if second._pos > position:
            raise _Unlike("it was read in other steps")
        if (attributes["_eof"] or attributes["_size"] == position) and second.read(1):
            raise _Unlike("its file goes on behind the place that was its end")
        _feed(second, file, place)
    for name in _READ:
        if getattr(second, name, None) != attributes.get(name):
            raise _Unlike("what it read to the same place is something else")
    return second


def _feed(second: Any, file: Any, place: int) -> None:
    """Give a reader of bytes read as needed those that the other had asked for already: at most a few blocks."""
    missing = place - file.tell()
    if not missing:
        return
    if not 0 < missing <= 2 * max(_STEP, 1 << 17):
        raise _Unlike("its file did not stand where reading it from the beginning leads")
    more = file.read(missing)
    padded = second._fp
    if type(padded).__name__ != "_PaddedFile":
        second._decompressor.decompress(more, 0)
    elif padded._read is None:
        padded.prepend(more)
    else:
        padded._buffer += more
        padded._length += len(more)


def revive(reader: Any, place: int) -> None:
    """Give a reader that has all but its decompressor that too; what uses it raises TombstoneError if that fails."""
    attributes = _native.instance_dict(reader)[0] or {}
    try:
        second = _replayed(reader, place, attributes)
    except Exception as error:
        reason = f"reading it again to where it was failed: {error}"
        reader._decompressor = tombstones.make("a compressed file being read", type(reader).__name__, reason)
        return
    reader._decompressor = second._decompressor
    if type(reader._fp).__name__ == "_PaddedFile":
        for name in ("_buffer", "_length", "_read"):
            setattr(reader._fp, name, getattr(second._fp, name))


def new(kind: Any) -> Any:
    """A reader with nothing yet."""
    return kind.__new__(kind)


@reduces(_compression.DecompressReader, subclasses=True)
def _reduce_reader(obj: Any, context: Context) -> Any:
    attributes = dict(_native.instance_dict(obj)[0] or {})
    made = (new, (type(obj),))
    attributes["_decompressor"] = None
    if obj.closed:
        return (*made, attributes, None, None, _native.instance_fill)
    if type(obj) is not _compression.DecompressReader and type(obj).__module__ != "gzip":
        return context.tombstone(obj, "its library does not show the state of a stream being read")
    file = beneath(obj)
    if file is None:
        return context.tombstone(obj, "what it reads the compressed bytes from cannot be read a second time")
    place = file.tell()
    if attributes["_pos"] <= REPLAY_PROVED_BYTES_MAX:
        try:
            _replayed(obj, place, attributes)
        except Exception as error:
            return context.tombstone(obj, f"reading it again from the beginning leads elsewhere: {error}")
    context.later(FINISH, revive, obj, place)
    return (*made, attributes, None, None, _native.instance_fill)
