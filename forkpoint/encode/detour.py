"""What the buffers of an open file hold, learned by putting a scratch file in the place of its descriptor.

Only for the forked child: text read ahead is taken out of the file object for good. The program's own file is never
written to, and its offset, which the program shares, never moved.
"""

from __future__ import annotations

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
        rest = text.read()
        os.pwrite(scratch, _SAMPLE.encode("ascii"), 0)
        os.lseek(scratch, 0, os.SEEK_SET)
        newline = line_ends_read(text)
    return Held(b"", _bytes_of(text, rest, position, raw), newline)


def line_ends_sample() -> str:
    """Text whose lines tell how they are read."""
    return _SAMPLE


def line_ends_read(text: Any) -> str | None:
    """The `newline` with which a text file was opened that reads the sample now."""
    return _READ_AS.get((text.readline(), text.readline()), _SAMPLE_OTHERWISE)


def _bytes_of(text: Any, rest: str, position: int, raw: Any) -> int:
    """How many bytes before `position` the text `rest` begins; checked against the file itself."""
    if not rest:
        return 0
    encoded = rest.encode(text.encoding, text.errors or "strict")
    for guess in (len(encoded), len(encoded) + rest.count("\n")):
        found = os.pread(raw.fileno(), guess, position - guess) if guess <= position else b""
        decoded = found.decode(text.encoding, "replace")
        if rest in (decoded, decoded.replace("\r\n", "\n").replace("\r", "\n")):
            return guess
    raise ValueError("the text read ahead is not what the file holds before its position")
