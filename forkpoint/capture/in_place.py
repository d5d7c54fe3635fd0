"""Small files that the program may change in place are read at the commit point: later, no child could know what they
held."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Final

from forkpoint.capture.descriptors import OpenFile
from forkpoint.limits import READ_AT_COMMIT_BYTES_MAX
from forkpoint.model import FileState

_STREAM_BYTES: Final = 64 << 10
"""A file that is only written to and stands at its end is taken for a log beyond this size, which its child reads."""


def read(opened: Sequence[OpenFile], growing: Mapping[str, bool], states: Mapping[str, FileState]) -> dict[str, bytes]:
    """What these files hold, by path; those that are only added to, and too much at once, are left to the child."""
    found: dict[str, bytes] = {}
    left = READ_AT_COMMIT_BYTES_MAX
    for file in opened:
        if file.path not in growing or file.path in found or file.flags & os.O_APPEND:
            continue
        state = states[file.path]
        stream = growing[file.path] and file.flags & os.O_ACCMODE == os.O_WRONLY
        if state.size > (min(left, _STREAM_BYTES) if stream else left):
            continue
        with contextlib.suppress(OSError):  # not ours to read: as the child will find
            content = _content(file, state)
            if len(content) == state.size:
                found[file.path] = content
                left -= state.size
    return found


def _content(file: OpenFile, state: FileState) -> bytes:
    if file.flags & os.O_ACCMODE == os.O_RDWR:
        return os.pread(file.fd, state.size, 0)
    with open(f"/proc/self/fdinfo/{file.fd}") as facts:
        if "lock:" in facts.read():
            return b""  # closing any descriptor of a file gives up all locks that the process has on it (fcntl(2))
    fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, state.size) if os.fstat(fd).st_ino == state.inode else b""
    finally:
        os.close(fd)
