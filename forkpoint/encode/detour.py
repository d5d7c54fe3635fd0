"""What the buffers of an open file hold, learned by putting a scratch file in the place of its descriptor.

Only for the forked child: text read ahead is taken out of the file object for good. The program's own file is never
written to, and its offset, which the program shares, never moved.
"""

from __future__ import annotations

import codecs
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

_START: Final = 1 << 40
"""Where the scratch file stands, so that a buffer may seek back in it."""

_SAMPLE: Final = "a\r\nb\rc\n"
_READ_AS: Final = {("a\n", "b\n"): None, ("a\r\n", "b\r"): "", ("a\r\n", "b\rc\n"): "\n", ("a\r", "\nb\r"): "\r"}
_SAMPLE_OTHERWISE: Final = "\r\n"
_WITHOUT_MARK: Final = {"utf-8-sig": "utf-8"}
"""Encodings that begin a file with a mark: what is read later has none."""


@dataclass(frozen=True, slots=True)
class Held:
    """`waiting`: bytes written by the program but not to the file. `ahead`: how many bytes the program's position is
    behind the descriptor's. `newline`: as the text file was opened, None for a binary one too."""

    waiting: bytes
    ahead: int
    newline: str | None


@contextmanager
def _detour(number: int) -> Iterator[int]:
    saved = os.dup(number)
    scratch = os.memfd_create("forkpoint-detour")
    os.lseek(scratch, _START, os.SEEK_SET)
    os.dup2(scratch, number, inheritable=False)
    try:
        yield scratch
    finally:
        os.dup2(saved, number, inheritable=False)
        os.close(saved)
        os.close(scratch)


def _written(scratch: int) -> bytes:
    size = os.fstat(scratch).st_size
    return os.pread(scratch, size - _START, _START) if size > _START else b""


def of_buffered(buffered: Any) -> Held:
    """What a buffered file over a FileIO holds. Raises OSError, ValueError."""
    with _detour(buffered.raw.fileno()) as scratch:
        if buffered.writable():
            buffered.flush()
            back = _START - os.lseek(scratch, 0, os.SEEK_CUR)
            return Held(_written(scratch), max(back, 0), None)
        return Held(b"", len(buffered.peek()), None)


def of_text(text: Any, position: int) -> Held:
    """What a text file and the buffered file beneath hold; `position` is the descriptor's. OSError, ValueError."""
    raw = text.buffer.raw
    if text.writable():
        with _detour(raw.fileno()) as scratch:
            text.flush()
            waiting = _written(scratch)
            back = _START - os.lseek(scratch, 0, os.SEEK_CUR)
            os.ftruncate(scratch, 0)
            os.lseek(scratch, _START, os.SEEK_SET)
            text.write("\n")
            text.flush()
            written = _written(scratch)
        newline = None if written == b"\n" else written.decode(text.encoding)
        return Held(waiting, max(back, 0), newline if newline in ("\r\n", "\r") else None)
    with _detour(raw.fileno()) as scratch:
        os.lseek(scratch, 0, os.SEEK_SET)
        half = _take_half_character(text)
        rest = text.read()
        os.pwrite(scratch, _SAMPLE.encode("ascii"), 0)
        os.lseek(scratch, 0, os.SEEK_SET)
        newline = line_ends_read(text)
    return Held(b"", len(half) + _bytes_of(text, rest, position - len(half), raw), newline)


def line_ends_sample() -> str:
    """Text whose lines tell how they are read."""
    return _SAMPLE


def line_ends_read(text: Any) -> str | None:
    """The `newline` with which a text file was opened that reads the sample now."""
    return _READ_AS.get((text.readline(), text.readline()), _SAMPLE_OTHERWISE)


def decoder_of(text: Any) -> Any:
    """The incremental decoder of a text file, None before it has read anything."""
    return next(
        (each for each in gc.get_referents(text) if hasattr(each, "decode") and hasattr(each, "setstate")), None
    )


def _take_half_character(text: Any) -> bytes:
    """Bytes at the end of what was read that are no whole character yet: as the end of all, they would be an error."""
    decoder = decoder_of(text)
    if decoder is None:
        return b""
    half, flags = decoder.getstate()
    if half:
        decoder.setstate((b"", flags))
    return bytes(half)


def _bytes_of(text: Any, rest: str, position: int, raw: Any) -> int:
    """How many bytes before `position` the text `rest` begins; checked against the file itself."""
    encoding = _WITHOUT_MARK.get(codecs.lookup(text.encoding).name, text.encoding)

    def encode(part: str) -> bytes:
        return part.encode(encoding, text.errors or "strict")

    whole, line_ends = encode(rest), [encode(line_end) for line_end in ("\r\n", "\n", "\r")]
    longest = min(len(whole) + rest.count("\n") * len(line_ends[2]), position)
    held = os.pread(raw.fileno(), longest, position - longest)
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
