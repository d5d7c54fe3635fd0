"""The program's open files: noted in the program, since offsets go on moving, and opened anew in the child.

A forked child shares its parent's offsets, and the fork has closed the descriptors anyway. With descriptions of its own
at the same numbers, the child may look at files (and flush buffers, detoured) without the program noticing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

DEVICES: Final = frozenset({"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"})
"""Devices that are the same everywhere and have no position."""


class OpenFile(NamedTuple):
    """One descriptor: where it leads, how it was opened (fcntl F_GETFL), its offset and the file's size in bytes."""

    fd: int
    path: str
    flags: int
    offset: int
    size: int


_OUTPUTS: Final = (1, 2)


def is_input_file(stream: Any) -> bool:
    """Whether a stream is standard input, and that a regular file."""
    try:
        return bool(stream.fileno() == 0 and stat.S_ISREG(os.fstat(0).st_mode))
    except (OSError, ValueError, AttributeError):
        return False


def opened(excluded: Collection[int]) -> tuple[OpenFile, ...]:
    """The regular files this process has open, but for descriptors 1 and 2 and those `excluded`. Microseconds each."""
    found: list[OpenFile] = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd in _OUTPUTS or fd in excluded:
            continue
        with contextlib.suppress(OSError):  # the listing's own descriptor is closed by now
            facts = os.fstat(fd)
            if not (stat.S_ISREG(facts.st_mode) or stat.S_ISCHR(facts.st_mode)):
                continue
            path = os.readlink(f"/proc/self/fd/{fd}")
            if stat.S_ISREG(facts.st_mode) or path in DEVICES:
                flags = fcntl.fcntl(fd, fcntl.F_GETFL)
                found.append(OpenFile(fd, path, flags, os.lseek(fd, 0, os.SEEK_CUR), facts.st_size))
    return tuple(found)


def open_again(files: Sequence[OpenFile]) -> None:
    """In the child: every file again, at its number and offset. One that is gone stays closed."""
    for file in files:
        with contextlib.suppress(OSError):
            made = os.open(file.path, (file.flags & ~(os.O_CREAT | os.O_TRUNC | os.O_EXCL)) | os.O_CLOEXEC)
            if made != file.fd:
                os.dup2(made, file.fd, inheritable=False)
                os.close(made)
            os.lseek(file.fd, file.offset, os.SEEK_SET)
