"""Descriptors that are only numbers: `fd = os.open(...)`, as lock files and logs of several processes have them.

No object that is saved owns such a descriptor, and no number says that it is one. So `os.open` is watched
(native/audit.c), and what it opened is opened again under the same number, at its offset, with its lock. The numbers
are kept free from before the first import of a restored process by placeholders (`O_PATH`); a file object made over
such a descriptor takes its number back by itself (`encode.files`), and nothing is opened again.

Pipes both ends of which are here, empty, come back as new pipes with the same numbers. Nothing tells who made them; one
that nobody asks for does no harm. But where `multiprocessing` is loaded, whose pipes come back with its connections,
they would add up from restore to restore: there no pipe of this kind is brought back.
"""

from __future__ import annotations

import array
import fcntl
import io
import os
import re
import stat
import sys
import termios
from typing import Final, NamedTuple

from forkpoint import _native
from forkpoint.capture import descriptors
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused, RestoreFailed
from forkpoint.moved import located

_OF_A_PROCESS: Final = re.compile(r"/proc/\d+(/|$)")
_GONE: Final = " (deleted)"

Lock = tuple[str, bool, int, int]
"""FLOCK or POSIX, whether it is exclusive, and of the latter the first byte and how many (0: to the end)."""


class Numbered(NamedTuple):
    """One descriptor: how it was opened (fcntl F_GETFL), where it stood, whether children inherit it."""

    fd: int
    path: str
    flags: int
    offset: int
    inheritable: bool
    locks: tuple[Lock, ...]


class Pair(NamedTuple):
    """A pipe: both numbers, and their flags."""

    reader: int
    writer: int
    flags: tuple[int, int]
    inheritable: tuple[bool, bool]


class State(NamedTuple):
    """All of them."""

    files: tuple[Numbered, ...]
    pipes: tuple[Pair, ...]


def note_open() -> None:
    """At the start of a program that has run already: what it has open may be such numbers, or file objects'."""
    for file in descriptors.opened(()):
        if file.fd < _native.DESCRIPTOR_MIN:
            _native.note_numbered(file.fd, file.path, True)


def _files() -> tuple[Numbered, ...]:
    found = []
    for fd, wrapped in _native.numbered():
        path = os.readlink(f"/proc/self/fd/{fd}")
        gone = path.endswith(_GONE)
        mode = os.fstat(fd).st_mode
        of_a_process = _OF_A_PROCESS.match(path)
        if gone or of_a_process or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or path in descriptors.DEVICES):
            if wrapped or (gone and _is_mapped(path)) or _has_object(fd):
                continue  # the file object, or what is mapped, says what becomes of it
            kind = "a deleted file" if gone else "what ends with a process" if of_a_process else "no regular file"
            raise Refused(f"descriptor {fd} ({path}) leads to {kind}", hint="commits wait until it is closed")
        if fd >= _native.DESCRIPTOR_MIN:
            if wrapped or _has_object(fd):
                continue
            reason = f"descriptor {fd} ({path}) is none of the first {_native.DESCRIPTOR_MIN}, which come back"
            raise Refused(reason, hint="commits wait until it is closed")
        flags = _flags(fd)
        offset = 0 if stat.S_ISDIR(mode) or flags & os.O_PATH else os.lseek(fd, 0, os.SEEK_CUR)
        found.append(Numbered(fd, path, flags, offset, os.get_inheritable(fd), _locks(fd)))
    return tuple(found)


def _has_object(fd: int) -> bool:
    """Whether a file object has it, as one that was opened by an `opener` has."""
    raw = io.FileIO
    return any(not raw.closed.__get__(file) and raw.fileno(file) == fd for file in _native.living(raw))


def _is_mapped(path: str) -> bool:
    """Whether this deleted file is memory: that of `multiprocessing.Array` is one (multiprocessing/heap.py)."""
    with open("/proc/self/maps") as maps:
        return any(line.endswith(f" {path}\n") for line in maps)


def _flags(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_GETFL)


def _locks(fd: int) -> tuple[Lock, ...]:
    """What this process has locked through the descriptor, as the kernel lists it (proc(5), fdinfo)."""
    found: list[Lock] = []
    with open(f"/proc/self/fdinfo/{fd}") as lines:
        for line in lines:
            if line.startswith("lock:"):
                kind, _, access, _, _, first, last = line.split()[2:9]
                length = 0 if last == "EOF" else int(last) - int(first) + 1
                found.append((kind, access == "WRITE", int(first), length))
    return tuple(found)


def _pipes() -> tuple[Pair, ...]:
    """Empty pipes of which this process has exactly one reading and one writing end."""
    if "multiprocessing.connection" in sys.modules:
        return ()
    ends: dict[str, list[int]] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the listing's own
            continue
        if path.startswith("pipe:") and int(name) > 2:
            ends.setdefault(path, []).append(int(name))
    found = []
    for fds in ends.values():
        ways = sorted((_flags(fd) & os.O_ACCMODE, fd) for fd in fds)
        if [way for way, _ in ways] != [os.O_RDONLY, os.O_WRONLY] or max(fds) >= _native.DESCRIPTOR_MIN:
            continue
        (_, reader), (_, writer) = ways
        if _waiting(reader):
            continue
        both = reader, writer
        flags, inheritable = tuple(map(_flags, both)), tuple(map(os.get_inheritable, both))
        found.append(Pair(*both, (flags[0], flags[1]), (inheritable[0], inheritable[1])))
    return tuple(found)


def _waiting(reader: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(reader, termios.FIONREAD, count)
    return count[0]


def _is_placeholder(fd: int) -> bool:
    return bool(_flags(fd) & os.O_PATH)


def _put(made: int, fd: int, *, inheritable: bool) -> None:
    """Have the descriptor `made` under the number `fd`, whose placeholder goes."""
    if made != fd:
        os.dup2(made, fd, inheritable=inheritable)
        os.close(made)
    os.set_inheritable(fd, inheritable)


def _open_again(file: Numbered) -> None:
    path = located(file.path)
    try:
        made = os.open(path, (file.flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC)) | os.O_CLOEXEC)
        _put(made, file.fd, inheritable=file.inheritable)
        _native.note_numbered(file.fd, path, False)
        if file.offset and not file.flags & os.O_APPEND:
            os.lseek(file.fd, file.offset, os.SEEK_SET)
        for kind, exclusive, first, length in file.locks:
            way = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB
            if kind == "FLOCK":
                fcntl.flock(file.fd, way)
            else:
                fcntl.lockf(file.fd, way, length, first)
    except BlockingIOError:
        raise RestoreFailed(f"{path} was locked by the program, and now another process has it locked") from None
    except OSError as problem:
        raise RestoreFailed(f"{path}, which the program has open, cannot be opened: {problem.strerror}") from problem


class _RawDescriptors(Quiet):
    name = "raw_descriptors"
    module = "posix"

    def __init__(self) -> None:
        self._noted = State((), ())

    def before_fork(self) -> State:
        self._noted = State(_files(), _pipes())
        return self._noted

    def facts(self) -> list[int]:
        """The numbers, to be kept free."""
        pipes = [fd for pair in self._noted.pipes for fd in (pair.reader, pair.writer)]
        return [*(file.fd for file in self._noted.files), *pipes]

    def prepare(self, numbers: list[int]) -> None:
        """Keep them free."""
        for fd in numbers:
            placeholder = os.open("/", os.O_PATH | os.O_CLOEXEC)
            if placeholder != fd:
                os.dup2(placeholder, fd, inheritable=False)
                os.close(placeholder)

    def restore(self, state: State) -> None:
        """Where a file object has taken a number, it is that object's."""
        for file in state.files:
            if _is_placeholder(file.fd):
                _open_again(file)
        for pair in state.pipes:
            if _is_placeholder(pair.reader) and _is_placeholder(pair.writer):
                made = os.pipe2(os.O_CLOEXEC)
                for end, fd, flags, inheritable in zip(made, pair[:2], pair.flags, pair.inheritable, strict=True):
                    fcntl.fcntl(end, fcntl.F_SETFL, flags)
                    _put(end, fd, inheritable=inheritable)


ADAPTER = _RawDescriptors()
