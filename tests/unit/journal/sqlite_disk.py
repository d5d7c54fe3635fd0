"""SQLite on the seeded disk: what it writes, cuts, syncs and deletes goes there, and is refused there.

SQLite reaches files by tables of functions. Here some are wrapped in place, through ctypes: `xOpen` and `xDelete` of
its VFS, and of each file opened by that `xWrite`, `xTruncate`, `xSync` and `xShmUnmap`. All else is SQLite's own, as it
was. See sqlite.org/c3ref/vfs.html and io_methods.html.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pysqlite3 import _sqlite3
from seeded_disk import Died, SeededDisk, key_of

_OK, _FULL = 0, 13
_IOERR_WRITE, _IOERR_FSYNC, _IOERR_TRUNCATE, _IOERR_DELETE = 778, 1034, 1546, 2570
_OPEN_CREATE, _OPEN_WAL = 0x4, 0x80000

_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)


class _Methods(ctypes.Structure):
    """sqlite3_io_methods."""

    _fields_ = (
        ("version", ctypes.c_int), ("close", ctypes.c_void_p), ("read", ctypes.c_void_p), ("write", _WRITE),
        ("truncate", _TRUNCATE), ("sync", _SYNC), ("file_size", ctypes.c_void_p), ("lock", ctypes.c_void_p),
        ("unlock", ctypes.c_void_p), ("check_reserved_lock", ctypes.c_void_p), ("file_control", ctypes.c_void_p),
        ("sector_size", ctypes.c_void_p), ("device_characteristics", ctypes.c_void_p), ("shm_map", ctypes.c_void_p),
        ("shm_lock", ctypes.c_void_p), ("shm_barrier", ctypes.c_void_p), ("shm_unmap", _SYNC),
        ("fetch", ctypes.c_void_p), ("unfetch", ctypes.c_void_p),
    )  # fmt: skip


class _Vfs(ctypes.Structure):
    """The beginning of sqlite3_vfs."""

    _fields_ = (
        ("version", ctypes.c_int), ("file_bytes", ctypes.c_int), ("path_bytes", ctypes.c_int),
        ("next", ctypes.c_void_p), ("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("open", _OPEN),
        ("delete", _DELETE),
    )  # fmt: skip


class _File:
    """What SQLite has open: where it is, and whether its first sync makes its name certain too (os_unix.c, DIRSYNC)."""

    def __init__(self, path: str, names_too: bool) -> None:
        self.path = path
        self.names_too = names_too


class _Wrapped:
    """The functions that stand in SQLite's tables. ctypes cannot raise into C, so each answers with SQLite's number."""

    def __init__(self, vfs: _Vfs) -> None:
        self.disk: SeededDisk | None = None
        self._real_open = _OPEN(ctypes.cast(vfs.open, ctypes.c_void_p).value)
        self._real_delete = _DELETE(ctypes.cast(vfs.delete, ctypes.c_void_p).value)
        self._tables: dict[int, tuple[_Methods, _Methods]] = {}
        self._files: dict[int, _File] = {}
        vfs.open = self._open = _OPEN(self.open)
        vfs.delete = self._delete = _DELETE(self.delete)

    def open(self, vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:
        path = os.fsdecode(ctypes.string_at(name)) if name else ""  # the pointer itself is kept by SQLite
        seeded = self.disk if self.disk is not None and path.startswith(self.disk.folder) else None
        new = seeded is not None and not os.path.exists(path)
        if new and (refused := self._tried(lambda: self._created(path), _IOERR_WRITE)):
            return refused
        status = self._real_open(vfs, name, file, flags, out)
        if status == _OK and seeded is not None:
            self._files[file] = _File(path, bool(flags & _OPEN_CREATE and flags & _OPEN_WAL))
            if new:
                self._named(path)
            table = ctypes.c_void_p.from_address(file)
            table.value = ctypes.addressof(self._table(table.value or 0))
        return int(status)

    def _created(self, path: str) -> None:
        assert self.disk is not None
        self.disk.step(f"SQLite creates {path}")
        self.disk.take(1)

    def _named(self, path: str) -> None:
        assert self.disk is not None
        where = self.disk.directory(None, path)
        if where is not None:
            self.disk.made(where, key_of(os.stat(path)))

    def _table(self, real: int) -> _Methods:
        """SQLite's table of a file's functions, with ours in it."""
        if real not in self._tables:
            ours = _Methods.from_buffer_copy(ctypes.string_at(real, ctypes.sizeof(_Methods)))
            theirs = _Methods.from_buffer_copy(ctypes.string_at(real, ctypes.sizeof(_Methods)))
            ours.write = _WRITE(lambda *given: self._write(theirs.write, *given))
            ours.truncate = _TRUNCATE(lambda *given: self._truncate(theirs.truncate, *given))
            ours.sync = _SYNC(lambda *given: self._sync(theirs.sync, *given))
            ours.shm_unmap = _SYNC(lambda file, delete: theirs.shm_unmap(file, delete and not self._is_dead()))
            self._tables[real] = (ours, theirs)
        return self._tables[real][0]

    def _is_dead(self) -> bool:
        return self.disk is not None and self.disk.dead

    def _tried(self, work: Callable[[], object], failed: int) -> int:
        """0, or what SQLite calls the refusal."""
        try:
            work()
        except Died:
            return failed
        except OSError as error:
            return _FULL if error.errno == errno.ENOSPC else failed
        return _OK

    def _write(self, real: Any, file: int, data: int, length: int, offset: int) -> int:
        opened, seeded = self._files[file], self.disk
        assert seeded is not None

        def may() -> None:
            seeded.step(f"SQLite writes {length} bytes to {opened.path}")
            seeded.take(offset + length - os.stat(opened.path).st_size)

        if refused := self._tried(may, _IOERR_WRITE):
            return refused
        status = real(file, data, length, offset)
        if status == _OK:
            seeded.nodes[key_of(os.stat(opened.path))].since.append((offset, ctypes.string_at(data, length)))
        return int(status)

    def _truncate(self, real: Any, file: int, size: int) -> int:
        opened, seeded = self._files[file], self.disk
        assert seeded is not None
        if refused := self._tried(lambda: seeded.step(f"SQLite cuts {opened.path}"), _IOERR_TRUNCATE):
            return refused
        status = real(file, size)
        if status == _OK:
            seeded.nodes[key_of(os.stat(opened.path))].since.append((size, None))
        return int(status)

    def _sync(self, real: Any, file: int, flags: int) -> int:
        opened, seeded = self._files[file], self.disk
        assert seeded is not None

        def sync() -> None:
            seeded.sync(seeded.nodes[key_of(os.stat(opened.path))])
            if opened.names_too:
                opened.names_too = False
                seeded.sync_names(key_of(os.stat(os.path.dirname(opened.path))))

        return self._tried(sync, _IOERR_FSYNC) or int(real(file, flags))

    def delete(self, vfs: int, name: bytes, sync_names: int) -> int:
        path = os.fsdecode(name)
        seeded = self.disk if self.disk is not None and path.startswith(self.disk.folder) else None
        if seeded is None or not os.path.exists(path):
            return int(self._real_delete(vfs, name, sync_names))
        if refused := self._tried(lambda: seeded.step(f"SQLite deletes {path}"), _IOERR_DELETE):
            return refused
        where = seeded.directory(None, path)
        status = self._real_delete(vfs, name, sync_names)
        if status == _OK and where is not None:
            seeded.changed((*where, None))
            if sync_names:
                return self._tried(lambda: seeded.sync_names(where[0]), _IOERR_DELETE)
        return int(status)


_library = ctypes.CDLL(_sqlite3.__file__)
_library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
_wrapped: list[_Wrapped] = []


@contextmanager
def sqlite_on(seeded: SeededDisk) -> Iterator[None]:
    """SQLite's files in the folder lie on this disk. The wrapping stays: a table may not change under an open file."""
    if not _wrapped:
        _wrapped.append(_Wrapped(_library.sqlite3_vfs_find(None).contents))
    _wrapped[0].disk = seeded
    try:
        yield
    finally:
        _wrapped[0].disk = None
