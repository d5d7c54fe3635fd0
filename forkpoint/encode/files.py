"""Open files: by path, mode and position, with the bytes that were still in their buffers."""

from __future__ import annotations

import _io
import fcntl
import os
import re
import stat
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode import buffers_over, detour, memory_text, text_over
from forkpoint.encode.reducers import Context, reduces
from forkpoint.errors import Refused
from forkpoint.moved import located

_ONCE: Final = os.O_TRUNC | os.O_EXCL
"""What happened when the program opened the file, and must not happen again."""

_DEVICES: Final = frozenset({"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"})
"""The same on every machine, and without a position."""

_DELETED: Final = " (deleted)"

_OF_A_PROCESS: Final = re.compile(r"/proc/\d+/")
"""What /proc/self leads to as well: threadpoolctl reads its maps line by line."""

_BUFFERED: Final = (_io.BufferedReader, _io.BufferedWriter, _io.BufferedRandom)


def _reopen(path: str, flags: int, number: int) -> int:
    """A descriptor of the file: `number` when that is free, or one of the new process's standard ones."""
    descriptor = os.open(located(path), flags & ~_ONCE, 0o666)
    if descriptor == number or (number > 2 and _in_use(number)):
        return descriptor
    os.dup2(descriptor, number, inheritable=False)
    os.close(descriptor)
    return number


def open_raw(kind: Any, path: str, mode: str, number: int, position: int) -> Any:
    """A raw file on `path` where it stood; on its old descriptor number when that is free."""
    raw = _io.FileIO.__new__(kind)
    # Initialized once: a FileIO that was closed before says so to flush() for good (iobase_is_closed, iobase.c).
    _io.FileIO.__init__(raw, path, mode, opener=lambda path, flags: _reopen(path, flags, number))
    os.lseek(raw.fileno(), position, os.SEEK_SET)
    return raw


def _in_use(number: int) -> bool:
    """Whether it is open, and no placeholder (`adapters.raw_descriptors`)."""
    try:
        return not fcntl.fcntl(number, fcntl.F_GETFL) & os.O_PATH
    except OSError:
        return False


def closed_raw(kind: Any, mode: str) -> Any:
    """A raw file that was closed."""
    raw = _io.FileIO.__new__(kind)
    descriptor = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    _io.FileIO.__init__(raw, os.devnull, mode.replace("x", "w"), opener=lambda path, flags: descriptor)
    raw.close()
    return raw


def _path(raw: Any, context: Context) -> str | None:
    """The path behind a descriptor, if it is a regular file that has one, or a device like /dev/null."""
    number = raw.fileno()
    noted = context.opened_as(number)
    if noted is not None and noted[0].startswith("/"):  # the program may have renamed it since the fork
        return None if noted[0].endswith(_DELETED) else _lasting(noted[0])
    try:
        path = os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:  # a child has only what leads to a path
        return None
    if not stat.S_ISREG(os.fstat(number).st_mode) and path not in _DEVICES:
        return None
    return _lasting(path) if os.path.exists(path) else None


def _lasting(path: str) -> str:
    if _OF_A_PROCESS.match(path):
        raise Refused(
            f"{path} is being read, which tells of a process that will be gone", hint="commits wait for its end"
        )
    return path


def _position(raw: Any, context: Context) -> int:
    """Where the descriptor stood at the fork: the program may have moved it on since, being shared."""
    noted = context.opened_as(raw.fileno())
    return noted[1] if noted is not None else os.lseek(raw.fileno(), 0, os.SEEK_CUR)


@reduces(_io.FileIO, subclasses=True)
def _reduce_raw(obj: Any, context: Context) -> Any:
    attributes = _native.instance_dict(obj)[0] or {}
    if obj.closed:
        return closed_raw, (type(obj), obj.mode), attributes, None, None, _native.instance_fill
    try:
        path = _path(obj, context)
    except OSError as error:
        return context.tombstone(obj, f"its descriptor cannot be read: {error}")
    if path is None:
        return context.tombstone(obj, "a pipe, a socket, a terminal or a deleted file, not a regular one")
    made = (open_raw, (type(obj), path, obj.mode, obj.fileno(), _position(obj, context)))
    return (*made, attributes, None, None, _native.instance_fill)


def make_buffered(kind: Any, raw: Any) -> Any:
    """A buffered file over a raw one."""
    made = kind.__new__(kind)
    next(base for base in kind.__mro__ if base in _BUFFERED).__init__(made, raw)
    return made


def fill_buffered(obj: Any, state: tuple[bytes, int | None, int | None]) -> None:
    """What waited to be written, from where on, and the program's position; None where it is there by itself."""
    waiting, start, end = state
    if start is not None:
        obj.seek(start)
    if waiting:
        obj.write(waiting)
    if end is not None:
        obj.seek(end)


@reduces(*_BUFFERED, subclasses=True)
def _reduce_buffered(obj: Any, context: Context) -> Any:
    raw = obj.raw
    if obj.closed:
        return closed_file, (make_buffered, (type(obj), None))
    if buffers_over.is_over(raw) and not isinstance(obj, _io.BufferedRandom):
        return buffers_over.reduce(obj)
    if not isinstance(raw, _io.FileIO) or not _path(raw, context):
        return context.tombstone(obj, f"a buffer over a {type(raw).__qualname__} that is no regular file")
    position = _position(raw, context)
    try:
        held = detour.of_buffered(obj, position)
    except (OSError, ValueError) as error:
        return context.tombstone(obj, f"its buffer cannot be read: {error}")
    state = (held.waiting, held.start if held.start != position else None, held.end)
    return make_buffered, (type(obj), raw), state, None, None, fill_buffered


def closed_file(maker: Any, arguments: tuple[Any, ...]) -> Any:
    """A file object over a closed one."""
    kind = arguments[0]
    scratch = _io.BytesIO() if maker is make_buffered else _io.BufferedReader(_io.BytesIO())
    made = maker(kind, scratch, *arguments[2:])
    made.close()
    return made


def make_text(kind: Any, buffer: Any, options: dict[str, Any]) -> Any:
    """A text file over a buffered one."""
    made = kind.__new__(kind)
    _io.TextIOWrapper.__init__(made, buffer, **options)
    return made


TextState = tuple[bytes | str, int | None, int | None, dict[str, Any], dict[str, Any]]


def fill_text(obj: Any, state: TextState) -> None:
    """What waited to be written (bytes for the buffer, or text), from where on, the program's position, and attributes;
    None where it is there by itself. `options`: those it was made with.
    """
    waiting, start, end, attributes, options = state
    if start is not None:
        _io.TextIOWrapper.seek(obj, start)
    if isinstance(waiting, str):
        _io.TextIOWrapper.write(obj, waiting)
    elif waiting:
        obj.buffer.write(waiting)
        if detour.is_marked(obj.encoding):  # the new one sees that the mark has been written
            _io.TextIOWrapper.__init__(obj, obj.buffer, **options)
    if end is not None:
        _io.TextIOWrapper.seek(obj, end)
    _native.instance_fill(obj, attributes)


@reduces(_io.TextIOWrapper, subclasses=True)
def _reduce_text(obj: Any, context: Context) -> Any:
    try:
        buffer = obj.buffer
    except ValueError as error:
        return context.tombstone(obj, str(error))
    options = {"encoding": obj.encoding, "errors": obj.errors, "line_buffering": obj.line_buffering}
    attributes = _native.instance_dict(obj)[0] or {}
    if obj.closed:
        made = (closed_file, (make_text, (type(obj), None, options)))
        return (*made, attributes, None, None, _native.instance_fill)
    waiting: bytes | str
    start = end = None
    raw = getattr(buffer, "raw", None)
    if isinstance(raw, _io.FileIO) and isinstance(buffer, _BUFFERED):
        if not _path(raw, context):
            return context.tombstone(obj, "a pipe, a socket, a terminal or a deleted file, not a regular one")
        try:
            position = _position(raw, context)
            held = detour.of_text(obj, position)
        except (OSError, ValueError) as error:
            return context.tombstone(obj, f"its buffer cannot be read: {error}")
        waiting, newline, end = held.waiting, held.newline, held.end
        moved = held.start != position or (held.start and obj.readable())  # a decoder is told where it is, too
        start = detour.cookie(held) if moved else None
    elif text_over.is_over(buffer):
        return text_over.reduce(obj)
    else:
        try:
            kept = memory_text.examine(obj)
        except (OSError, ValueError) as error:
            return context.tombstone(obj, f"its buffer cannot be read: {error}")
        waiting, newline, start = kept.waiting, kept.newline, kept.position
    options |= {"newline": newline, "write_through": obj.write_through}
    state = (waiting, start, end, attributes, options)
    return make_text, (type(obj), buffer, options), state, None, None, fill_text
