"""Descriptors that the program has made from others: `os.dup2(log.fileno(), 1)`, `os.dup(1)`, `os.fdopen(os.dup(fd))`.

Each file is opened again on its own, at its offset; those that shared an offset are put together again afterwards, and
the numbers that no object has are made. What standard input, output and error are is the new process's affair, unless
the program has led them elsewhere: to a file, or to each other (`os.dup2(1, 2)`). Which they were is told by device and
inode; where they have led to something else before forkpoint was there, that counts as what they were.
"""

from __future__ import annotations

import fcntl
import os
import stat
from typing import Final, NamedTuple

from forkpoint import _native
from forkpoint.capture import descriptors
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.moved import located

_STANDARD: Final = (0, 1, 2)
_OUTPUTS: Final = (1, 2)
"""Standard input is its stream's affair (`standard_input`), which knows what of it has been used."""
_GONE: Final = " (deleted)"
_ONCE: Final = os.O_CREAT | os.O_EXCL | os.O_TRUNC

File = tuple[int, int]
"""Device and inode."""


class Led(NamedTuple):
    """Standard output or error, led to a file: its path, flags (fcntl F_GETFL) and offset."""

    fd: int
    path: str
    flags: int
    offset: int


class Shared(NamedTuple):
    """A descriptor that is the same as another one, and whether children inherit it. `original`: as that one, a
    standard descriptor, was when the process began.
    """

    fd: int
    other: int
    inheritable: bool
    original: bool


class State(NamedTuple):
    """All of them."""

    led: tuple[Led, ...]
    shared: tuple[Shared, ...]


def _file(fd: int) -> File | None:
    try:
        facts = os.fstat(fd)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _same(fd: int, other: int) -> bool:
    try:
        return _native.same_description(fd, other)
    except OSError:
        return False


def _own() -> list[int]:
    """The program's descriptors."""
    listed = (int(name) for name in os.listdir("/proc/self/fd"))
    return sorted(fd for fd in listed if fd < _native.DESCRIPTOR_MIN)


def _original(fd: int, file: File) -> int | None:
    """Which standard descriptor of the process's beginning this is; of one that is led elsewhere now, by its file."""
    begun = _native.standard_files()
    if fd in _STANDARD and begun[fd] == file:
        return fd
    for standard in _STANDARD:
        if begun[standard] == file:
            led_elsewhere = _file(standard) != file
            if _is_of_its_own(fd) if led_elsewhere else _same(fd, standard):
                return standard
    return None


def _is_of_its_own(fd: int) -> bool:
    """Whether another descriptor of the same file is a copy of this one: anybody may open /dev/null once more."""
    return not stat.S_ISCHR(os.fstat(fd).st_mode) or os.isatty(fd)


def _offset(fd: int) -> int:
    try:
        return os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:  # a device
        return 0


def _place(fd: int) -> str | None:
    """The path of a regular file or of a device like /dev/null."""
    path = os.readlink(f"/proc/self/fd/{fd}")
    regular = stat.S_ISREG(os.fstat(fd).st_mode) and not path.endswith(_GONE)
    return path if regular or path in descriptors.DEVICES else None


class _SharedDescriptors(Quiet):
    name = "shared_descriptors"
    module = "posix"

    def before_fork(self) -> State:
        led: list[Led] = []
        shared: list[Shared] = []
        seen: dict[File, list[int]] = {}
        for fd in _own():
            file = _file(fd)
            if file is None:  # the listing's own
                continue
            others = seen.setdefault(file, [])
            other = next((other for other in others if _same(fd, other)), None)
            others.append(fd)
            original = _original(fd, file)
            if original is not None:
                if fd != original:
                    shared.append(Shared(fd, original, os.get_inheritable(fd), True))
            elif other is not None and _place(other) is not None:
                shared.append(Shared(fd, other, os.get_inheritable(fd), False))
            elif fd in _OUTPUTS and (path := _place(fd)) is not None:
                led.append(Led(fd, path, fcntl.fcntl(fd, fcntl.F_GETFL), _offset(fd)))
        return State(tuple(led), tuple(shared))

    def restore(self, state: State) -> None:
        if not any(state):
            return
        before = {fd: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _native.DESCRIPTOR_MIN) for fd in _STANDARD if _file(fd)}
        try:
            for file in state.led:
                _lead(file)
            for one in state.shared:
                source = before.get(one.other, -1) if one.original else one.other
                if _file(source) is not None:
                    os.dup2(source, one.fd, inheritable=one.inheritable)
        finally:
            for fd in before.values():
                os.close(fd)


def _lead(file: Led) -> None:
    made = os.open(located(file.path), file.flags & ~_ONCE)
    if file.offset and not file.flags & os.O_APPEND:
        os.lseek(made, file.offset, os.SEEK_SET)
    os.dup2(made, file.fd)
    os.close(made)


ADAPTER = _SharedDescriptors()
