"""Buffered files over raw ones written in Python (a decompressing reader, a member of an archive), with what they hold.

What is read ahead, or waits to be written, is learned by putting another raw file in the place of their own, which is
not asked anything; in the forked child. A restored one reads or takes the same from such another, then gets its own.
"""

from __future__ import annotations

import _io
from typing import Any, Final

from forkpoint import _native
from forkpoint.kinds import module_of

_RAWS: Final = frozenset(
    {
        ("_compression", "DecompressReader"),
        ("gzip", "_WriteBufferStream"),
        ("tarfile", "_FileInFile"),
    }
)
"""Classes of the standard library whose instances are saved by what they hold."""


def is_over(raw: Any) -> bool:
    """Is this a raw file whose buffers are saved so?"""
    return any((module_of(cls), cls.__name__) in _RAWS for cls in type(raw).__mro__)


class _Stand(_io._RawIOBase):
    """Stands in for a raw file: gives `content` once, keeps what is `written`."""

    def __init__(self, content: bytes, position: int, *, reading: bool) -> None:
        self._content = content
        self._position = position
        self._reading = reading
        self.written = b""

    def readable(self) -> bool:
        return self._reading

    def writable(self) -> bool:
        return not self._reading

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, target: Any) -> int:
        content, self._content = self._content, b""
        target[: len(content)] = content
        self._position += len(content)
        return len(content)

    def write(self, data: Any) -> int:
        self.written += bytes(data)
        return len(data)


def _member(obj: Any) -> Any:
    kind = _io.BufferedReader if isinstance(obj, _io.BufferedReader) else _io.BufferedWriter
    return vars(kind)["raw"]


def make(kind: Any, reading: bool, size: int, content: bytes, position: int) -> Any:
    """A buffered file of that size that holds `content`; `fill` gives it its raw file, which stands at `position`."""
    made = kind.__new__(kind)
    if reading:
        _io.BufferedReader.__init__(made, _Stand(content, position - len(content), reading=True), size)
        if content:
            _io.BufferedReader.peek(made)
    else:
        _io.BufferedWriter.__init__(made, _Stand(b"", position, reading=False), size)
        if content:
            _io.BufferedWriter.write(made, content)
    return made


def fill(obj: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """Its own raw file, and attributes."""
    raw, attributes = state
    _native.member_set(_member(obj), obj, raw)
    _native.instance_fill(obj, attributes)


def reduce(obj: Any) -> Any:
    """The reduce value of an open BufferedReader or BufferedWriter. Raises OSError, ValueError."""
    raw = obj.raw
    reading = isinstance(obj, _io.BufferedReader)
    size = obj.__sizeof__() - type(obj).__basicsize__
    stand = _Stand(b"", 0, reading=reading)
    _native.member_set(_member(obj), obj, stand)
    try:
        if reading:
            content = _io.BufferedReader.peek(obj)
        else:
            _io.BufferedWriter.flush(obj)
            content = stand.written
    finally:
        _native.member_set(_member(obj), obj, raw)
    position = raw.tell() if reading and raw.seekable() else 0
    attributes = dict(_native.instance_dict(obj)[0] or {})
    return make, (type(obj), reading, size, content, position), (raw, attributes), None, None, fill
