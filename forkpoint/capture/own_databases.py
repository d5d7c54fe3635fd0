"""The SQLite databases that the program connects to: what those hold that it changes, read at the commit point.

A database that was only read is left alone by a restore: whoever else writes it goes on doing so. One that changed
while the program had it is taken for the program's own, and small ones are read while the program is stopped, with
what lies in their WAL: between two transactions both together are the database. Files that are open are read through
the program's own descriptors, since closing another would give up the locks it has on them (fcntl(2)).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from forkpoint import databases
from forkpoint.capture.descriptors import OpenFile
from forkpoint.limits import READ_AT_COMMIT_BYTES_MAX

_UNKNOWN: Final = ""
"""The mark of a database of a restore point: whatever is there now, the program had it, and changed it."""


class OwnDatabases:
    """The databases of one program, in this process and in those it was restored from."""

    def __init__(self, own: Iterable[str]) -> None:
        """`own`: those that a restore point has put back."""
        self._first: dict[str, str] = dict.fromkeys(own, _UNKNOWN)
        self._last: dict[str, tuple[str, dict[str, bytes]]] = {}

    def connecting(self, given: Any, absent: Callable[[str], None]) -> None:
        """The program is about to connect: `absent` is told of a file that this will make."""
        if not isinstance(given, str | bytes | os.PathLike):
            return
        name = os.fsdecode(given)
        if not name or name.startswith((":", "file:")):
            return  # in memory; or found open at the next commit point
        path = os.path.realpath(name)
        if path not in self._first:
            self._first[path] = databases.mark(path)
            if not os.path.lexists(path):
                absent(path)

    def at_commit(self, opened: Sequence[OpenFile]) -> tuple[dict[str, str], dict[str, bytes]]:
        """The marks of all databases seen so far, and what the program's own hold, with their WALs, by path."""
        files = {file.path: file for file in opened}
        for file in opened:
            if file.path not in self._first and file.flags & os.O_ACCMODE == os.O_RDWR:
                if os.pread(file.fd, len(databases.HEADER), 0) == databases.HEADER:
                    self._first[file.path] = databases.mark(file.path, file.fd)
        marks: dict[str, str] = {}
        held: dict[str, bytes] = {}
        for path, first in self._first.items():
            fd = files[path].fd if path in files else None
            marks[path] = now = databases.mark(path, fd)
            if now not in (first, databases.ABSENT):
                stamp = databases.stamp(path, fd)
                held |= self._content(path, stamp, files, READ_AT_COMMIT_BYTES_MAX - sum(map(len, held.values())))
        return marks, held

    def _content(self, path: str, stamp: str, files: Mapping[str, OpenFile], most: int) -> dict[str, bytes]:
        """Database and WAL; nothing where they are too large, or somebody is in a transaction."""
        known = self._last.get(path)
        if known is None or known[0] != stamp:
            known = stamp, _read(path, files, most)
            self._last[path] = known
        return known[1]


def _read(path: str, files: Mapping[str, OpenFile], most: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with contextlib.suppress(OSError):
        if _size(f"{path}-journal") or _size(path) + _size(f"{path}-wal") > most:
            return {}
        for name in (path, f"{path}-wal"):
            size = _size(name)
            if name == path or size:
                found[name] = _whole(name, size, files.get(name))
                if len(found[name]) != size:
                    return {}
        return found
    return {}


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _whole(path: str, size: int, file: OpenFile | None) -> bytes:
    if file is not None:
        return os.pread(file.fd, size, 0)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, size, 0)
    finally:
        os.close(fd)
