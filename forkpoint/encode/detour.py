"""What the buffers of an open file hold, learned by putting another raw file in the place of its own.

Only for the forked child: what was read ahead, and what waits to be written, is taken out of the file object for good.
The program's own file is never written to, and its offset, which the program shares, never moved.
"""

from __future__ import annotations

import _io
import codecs
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from forkpoint import _native

_BUFFERED: Final = (_io.BufferedReader, _io.BufferedWriter, _io.BufferedRandom)

_SAMPLE: Final = "a\r\nb\rc\nd\n"
_READ_AS: Final = {
    ("a\n", "b\n"): None,
    ("a\r\n", "b\r"): "",
    ("a\r\n", "b\rc\n"): "\n",
    ("a\r", "\nb\r"): "\r",
    ("a\r\n", "b\rc\nd\n"): "\r\n",
}
_MARKS: Final = {
    "utf-16": {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"},
    "utf-32": {codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be"},
    "utf-8-sig": {codecs.BOM_UTF8: "utf-8"},
}
"""Encodings that begin a file with a mark, and what is read after that."""
_UNMARKED: Final = {
    "utf-16": f"utf-16-{sys.byteorder[0]}e",
    "utf-32": f"utf-32-{sys.byteorder[0]}e",
    "utf-8-sig": "utf-8",
}


@dataclass(frozen=True, slots=True)
class Held:
    """`waiting`: bytes written by the program but not to the file, from `start` on; without any, `start` is where the
    program stands. `end`: where it stands if that is not behind them. `newline`: as the text file was opened, None for
    a binary one too. `flags`: the state of a text file's decoder there, as tell() has it.
    """

    waiting: bytes
    start: int
    end: int | None
    newline: str | None = None
    flags: int = 0


class _Recorder(_io.FileIO):
    """Stands for the raw file: keeps what is written and where, and has nothing to read but what it is lent.

    A FileIO, since a buffered file looks into the C struct of one to see whether it is closed.
    """

    def __init__(self, position: int) -> None:
        super().__init__(os.devnull, "r+")
        self.position = self.begun = position
        self.written = b""
        self.lent = b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file, but that has no end."""
        if whence == os.SEEK_END:
            raise OSError("a buffer that asks for the end of its file")
        self.position = offset + (self.position if whence == os.SEEK_CUR else 0)
        return self.position

    def tell(self) -> int:
        """Where it stands."""
        return self.position

    def write(self, data: Any) -> int:
        """Keep it. OSError when it does not go on where the last ended."""
        content = bytes(data)
        if not self.written:
            self.begun = self.position
        elif self.begun + len(self.written) != self.position:
            raise OSError("what waits to be written is not in one piece")
        self.written += content
        self.position += len(content)
        return len(content)

    def readinto(self, target: Any) -> int:
        """Some of what was lent; its position stays the file's."""
        size = min(len(self.lent), memoryview(target).nbytes)
        target[:size], self.lent = self.lent[:size], self.lent[size:]
        return size

    def readall(self) -> bytes:
        """All of it."""
        content, self.lent = self.lent, b""
        return content


@contextmanager
def _recorded(buffered: Any, position: int) -> Iterator[_Recorder]:
    """A buffered file with a recorder beneath that stands where its descriptor does."""
    member = next(vars(base)["raw"] for base in type(buffered).__mro__ if base in _BUFFERED)
    raw, recorder = buffered.raw, _Recorder(position)
    _native.member_set(member, buffered, recorder)
    try:
        yield recorder
    finally:
        _native.member_set(member, buffered, raw)
        recorder.close()


def _held(waiting: bytes, begun: int, stands: int, newline: str | None = None) -> Held:
    if not waiting:
        return Held(b"", stands, None, newline)
    return Held(waiting, begun, None if begun + len(waiting) == stands else stands, newline)


def of_buffered(buffered: Any, position: int) -> Held:
    """What a buffered file over a FileIO holds; `position` is the descriptor's. Raises OSError, ValueError."""
    with _recorded(buffered, position) as recorder:
        if buffered.writable():
            buffered.flush()  # one that reads as well goes back to where the program stands
            return _held(recorder.written, recorder.begun, recorder.position)
        return _held(b"", position, position - len(buffered.peek()))


def of_text(text: Any, position: int) -> Held:
    """What a text file and the buffered file beneath hold; `position` is the descriptor's. OSError, ValueError."""
    readable = text.readable()
    encoding = _encoding_inside(text) if readable else text.encoding
    with _recorded(text.buffer, position) as recorder:
        if text.writable():
            text.flush()
        waiting, begun, stands = recorder.written, recorder.begun, recorder.position
        if not readable:
            return _held(waiting, begun, stands, _line_ends_written(text, recorder))
        half, flags = _take_half_character(text)
        rest = text.read()
        recorder.lent = _SAMPLE.encode(text.encoding if _awaits_mark(text) else encoding)
        newline = line_ends_read(text)
    ahead = len(half) + _bytes_of(text, rest, stands - len(half), encoding)
    if ahead and codecs.lookup(encoding).name.startswith("iso2022"):
        raise ValueError("its decoder crashes when it is put where it was")  # setstate() of Modules/cjkcodecs, with 0
    return replace(_held(waiting, begun, stands - ahead, newline), flags=flags)


def _line_ends_written(text: Any, recorder: _Recorder) -> str | None:
    before = len(recorder.written)
    text.write("\n")
    text.flush()
    written = recorder.written[before:].decode(text.encoding)
    return written if written in ("\r\n", "\r") else None


def _encoding_inside(text: Any) -> str:
    """How the file is encoded after the mark it may begin with."""
    name = codecs.lookup(text.encoding).name
    if name not in _MARKS:
        return str(text.encoding)
    begins = os.pread(text.buffer.raw.fileno(), 4, 0)
    return next((inside for mark, inside in _MARKS[name].items() if begins.startswith(mark)), _UNMARKED[name])


def _awaits_mark(text: Any) -> bool:
    """Has its decoder yet to see in which order the bytes are (encodings/utf_16.py, utf_32.py: state 2)?"""
    if codecs.lookup(text.encoding).name not in ("utf-16", "utf-32"):
        return False
    decoder = decoder_of(text)
    if decoder is None:
        return True
    _, flags = decoder.getstate()
    return bool((flags >> 1 if isinstance(decoder, _io.IncrementalNewlineDecoder) else flags) == 2)


def is_marked(encoding: str) -> bool:
    """Does a file in this encoding begin with a mark?"""
    return codecs.lookup(encoding).name in _MARKS


def cookie(held: Held) -> int:
    """Where `held` starts, as a text file's seek() takes it (textio.c, cookie_type)."""
    return held.start | held.flags << 64 if held.start else 0


def line_ends_sample() -> str:
    """Text whose lines tell how they are read."""
    return _SAMPLE


def line_ends_read(text: Any) -> str | None:
    """The `newline` with which a text file was opened that reads the sample now. ValueError if that is not seen."""
    lines = text.readline(), text.readline()
    if lines not in _READ_AS:
        raise ValueError("it is not seen how it takes line ends")
    return _READ_AS[lines]


def decoder_of(text: Any) -> Any:
    """The incremental decoder of a text file, None before it has read anything."""
    return next(
        (each for each in gc.get_referents(text) if hasattr(each, "decode") and hasattr(each, "setstate")), None
    )


def _take_half_character(text: Any) -> tuple[bytes, int]:
    """Bytes at the end of what was read that are no whole character yet: as the end of all, they would be an error. And
    the decoder's state, without a carriage return that it keeps back: that is read with the rest.
    """
    decoder = decoder_of(text)
    if decoder is None:
        return b"", 0
    half, flags = decoder.getstate()
    if half:
        decoder.setstate((b"", flags))
    return bytes(half), flags & ~1 if isinstance(decoder, _io.IncrementalNewlineDecoder) else flags


def _bytes_of(text: Any, rest: str, position: int, encoding: str) -> int:
    """How many bytes before `position` the text `rest` begins; checked against the file itself."""
    if not rest:
        return 0

    def encode(part: str) -> bytes:
        return part.encode(encoding, text.errors or "strict")

    whole, line_ends = encode(rest), [encode(line_end) for line_end in ("\r\n", "\n", "\r")]
    longest = min(len(whole) + rest.count("\n") * len(line_ends[2]), position)
    held = os.pread(text.buffer.raw.fileno(), longest, position - longest)
    if held.endswith(whole):
        return len(whole)
    at = len(held)
    for number, piece in enumerate(map(encode, reversed(rest.split("\n")))):
        if number:  # the line ends of a file need not all be the same
            at -= next((len(line_end) for line_end in line_ends if held.endswith(line_end, 0, at)), at + 1)
        at -= len(piece)
        if at < 0 or not held.startswith(piece, at):
            raise ValueError("the text read ahead is not what the file holds before its position")
    return len(held) - at
