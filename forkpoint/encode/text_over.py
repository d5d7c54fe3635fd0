"""Text files over buffers written in Python (a gzip file, a member of an archive): what was read ahead of the program.

What such a file holds decoded is read from its C struct where the garbage collector shows it, and the rest by putting
another buffer in the place of its own. Only for the forked child: the text file is used up in finding out; what is
beneath is never asked. A restored one reads its rest from such another buffer, then gets its own.
"""

from __future__ import annotations

import _io
import codecs
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode.detour import decoder_of, line_ends_read, line_ends_sample
from forkpoint.kinds import module_of

_TEXT: Final[Any] = _io.TextIOWrapper
_BUFFER: Final = vars(_io.TextIOWrapper)["buffer"]
_TRANSLATED: Final = ("\r\n", "\r")
_MARKED: Final = frozenset({"utf-16", "utf-32", "utf-8-sig"})
"""Encodings that begin a stream with a mark, and do not show whether they have."""
_FAR: Final = 1 << 40
"""Where the other buffer stands, so that tell() may count back from it."""

_BUFFERS: Final = frozenset(
    {
        ("gzip", "GzipFile"),
        ("bz2", "BZ2File"),
        ("lzma", "LZMAFile"),
        ("zipfile", "ZipExtFile"),
        ("tarfile", "ExFileObject"),
    }
)
"""Classes of the standard library that lend their bytes to text files."""


def is_over(buffer: Any) -> bool:
    """Is this a buffer whose text files are saved so?"""
    return any((module_of(cls), cls.__name__) in _BUFFERS for cls in type(buffer).__mro__)


@dataclass(frozen=True, slots=True)
class Ahead:
    """Of a text file being read. `chunk`: what it decoded last, from these decoder flags on, and how many characters of
    it the program has; None where it does not keep that: while its lines are iterated over, or where it cannot seek.
    `rest`: text decoded that the program has yet to get. `decoder`: its state after that. `newlines`: line ends seen.
    """

    chunk: tuple[int, bytes, int] | None
    rest: str
    decoder: Any
    newlines: tuple[str, ...]
    iterating: bool
    seekable: bool
    newline: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Of a text file being written: what has not reached its buffer."""

    text: str
    newline: str | None


class _Stand:
    """Stands in for a buffer: gives `content` in one piece, takes nothing."""

    closed = False

    def __init__(self, content: bytes, *, readable: bool, seekable: bool) -> None:
        self.content = content
        self._readable = readable
        self._seekable = seekable

    def readable(self) -> bool:
        return self._readable

    def writable(self) -> bool:
        return not self._readable

    def seekable(self) -> bool:
        return self._seekable

    def tell(self) -> int:
        return 0

    def flush(self) -> None:
        """Nothing waits."""

    def read1(self, size: int = -1) -> bytes:
        content, self.content = self.content, b""
        return content

    read = read1


@contextmanager
def _over(text: Any, other: Any) -> Iterator[None]:
    own = text.buffer
    _native.member_set(_BUFFER, text, other)
    try:
        yield
    finally:
        _native.member_set(_BUFFER, text, own)


def examine(text: Any) -> Ahead | Waiting:
    """All of it. Raises ValueError where that cannot be told exactly."""
    return _examine_written(text) if text.buffer.writable() else _examine_read(text)


def _examine_written(text: Any) -> Waiting:
    if codecs.lookup(text.encoding).name in _MARKED:
        raise ValueError(f"a stream of {text.encoding} does not show whether it has begun")
    with _over(text, written := _io.BytesIO()):
        _TEXT.flush(text)
    waiting = written.getvalue()
    with _over(text, written := _io.BytesIO()):
        _TEXT.write(text, "\n")
        _TEXT.flush(text)
    line_end = written.getvalue().decode(text.encoding)
    pending = waiting.decode(text.encoding, text.errors).replace(line_end, "\n")
    return Waiting(pending, line_end if line_end in _TRANSLATED else None)


def _examine_read(text: Any) -> Ahead:
    held = gc.get_referents(text)
    decoder = decoder_of(text)
    snapshot = next((value for value in held if type(value) is tuple and len(value) == 2), None)
    seen = _TEXT.newlines.__get__(text)
    seekable = bool(text.buffer.seekable())
    telling = seekable
    with _over(text, far := _io.BytesIO()):
        far.seek(_FAR)
        try:
            _TEXT.tell(text)
        except OSError:  # in the middle of `for line in text`, which forbids it
            telling = False
    state = decoder.getstate()
    decoder.reset()  # or else half a character would be an error, being the last
    with _over(text, _io.BytesIO()):
        rest = _TEXT.read(text)
    with _over(text, _io.BytesIO(line_ends_sample().encode(text.encoding))):
        newline = line_ends_read(text)
    chunk = None
    if telling and snapshot is not None and snapshot[1]:
        # textiowrapper_traverse (textio.c): decoder, readnl, decoded_chars, pending_bytes, snapshot, each if there
        between = held[held.index(decoder) + 1 : held.index(snapshot)]
        texts = [value for value in between if type(value) is str]
        decoded = texts[-1] if len(texts) == (1 if newline is None else 2) else ""
        if decoded:
            chunk = (*snapshot, len(decoded) - len(rest))
    if rest and telling and (chunk is None or chunk[2] <= 0):
        raise ValueError("the text read ahead is not what it decoded last")
    newlines = () if seen is None else (seen,) if isinstance(seen, str) else tuple(seen)
    found = Ahead(chunk, rest, state, newlines, seekable and not telling, seekable, newline)
    _prove(text, found)
    return found


def _prove(text: Any, found: Ahead) -> None:
    """A text file made of what was found has the same text ahead, or ValueError."""
    made = _TEXT(_stand(found, text.encoding, text.errors), text.encoding, text.errors, found.newline)
    _read_ahead(made, found, text.encoding, text.errors)
    if decoder_of(made).getstate() != found.decoder:
        raise ValueError("its decoder does not take the state that it shows")
    decoder_of(made).reset()
    with _over(made, _io.BytesIO()):
        if made.read() != found.rest:
            raise ValueError("the text read ahead does not come back from its own bytes")


def _line_before(found: Ahead) -> str:
    """A line of its own kind to read before the rest. Where no line end was seen, what follows is the file's end."""
    if found.newline:
        return found.newline
    return "\n" if found.rest or found.newlines else "x"


def _stand(found: Ahead | Waiting, encoding: str, errors: str) -> Any:
    """What a fresh text file reads so as to be as the one found."""
    if isinstance(found, Waiting):
        return _Stand(b"", readable=False, seekable=False)
    if found.chunk is not None:
        content = found.chunk[1]
    elif found.rest or found.iterating:
        content = (_line_before(found) + found.rest).encode(encoding, errors)
    else:
        content = b""
    return _Stand(content, readable=True, seekable=found.seekable)


def _read_ahead(text: Any, found: Ahead, encoding: str, errors: str) -> None:
    """Over `_stand(found)`: bring a fresh text file where the other was."""
    decoder = decoder_of(text)
    if found.chunk is not None:
        decoder.setstate((b"", found.chunk[0]))
        _TEXT.read(text, found.chunk[2])
    elif found.iterating:
        _TEXT.__next__(text)
    elif found.rest:
        _TEXT.readline(text)
    decoder.reset()
    for line_end in found.newlines:
        decoder.decode(line_end.encode(encoding, errors), True)
    decoder.setstate(found.decoder)


def make(kind: Any, options: dict[str, Any], state: tuple[Any, ...]) -> Any:
    """A text file that holds what the other held; `fill` gives it its buffer."""
    found: Ahead | Waiting = Ahead(*state) if len(state) > 2 else Waiting(*state)
    made = kind.__new__(kind)
    _TEXT.__init__(made, _stand(found, options["encoding"], options["errors"]), newline=found.newline, **options)
    if isinstance(found, Ahead):
        _read_ahead(made, found, options["encoding"], options["errors"])
    elif found.text:
        _TEXT.write(made, found.text)
    return made


def fill(text: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """Its own buffer, which is not asked anything, and attributes."""
    buffer, attributes = state
    _native.member_set(_BUFFER, text, buffer)
    _native.instance_fill(text, attributes)


def reduce(text: Any) -> Any:
    """The reduce value of an open text file. Raises ValueError, OSError."""
    options = {name: getattr(text, name) for name in ("encoding", "errors", "line_buffering", "write_through")}
    attributes = dict(_native.instance_dict(text)[0] or {})
    buffer = text.buffer
    found = examine(text)
    if isinstance(found, Waiting):
        state: tuple[Any, ...] = (found.text, found.newline)
    else:
        state = tuple(getattr(found, name) for name in Ahead.__slots__)
    return make, (type(text), options, state), (buffer, attributes), None, None, fill
