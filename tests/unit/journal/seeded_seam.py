"""The store's seam (forkpoint/journal/disk.py) on a seeded disk: what changes something goes there, the rest stays."""

from __future__ import annotations

import os
import types
from typing import Any

import pytest
from seeded_disk import SeededDisk, key_of

from forkpoint import faultpoints
from forkpoint.journal import disk

_F_GETFL = 3


class _Seam:
    """The operations of disk.py that change something, on a seeded disk; the rest stays the system's."""

    def __init__(self, disk: SeededDisk) -> None:
        self._disk = disk

    def open(self, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        where = self._disk.directory(dir_fd, path) if flags & os.O_CREAT else None
        if where is None or _there(path, dir_fd):
            return os.open(path, flags, mode, dir_fd=dir_fd)
        self._disk.step(f"create {path}")
        self._disk.take(1)
        fd = os.open(path, flags, mode, dir_fd=dir_fd)
        self._disk.made(where, key_of(os.fstat(fd)))
        return fd

    def write(self, fd: int, data: bytes | memoryview) -> int:
        node = self._disk.node(fd)
        if node is None:
            return os.write(fd, data)
        appends = _flags(fd) & os.O_APPEND
        at = os.fstat(fd).st_size if appends else os.lseek(fd, 0, os.SEEK_CUR)
        piece = bytes(data)
        if len(piece) > 1 and self._disk.chance.random() < 0.1:
            piece = piece[: self._disk.chance.randrange(1, len(piece))]
        self._disk.step(f"write of {len(piece)} bytes")
        self._disk.take(at + len(piece) - os.fstat(fd).st_size)
        done = os.write(fd, piece)
        node.since.append((at, piece[:done]))
        return done

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        node = self._disk.node(fd)
        if node is not None:
            self._disk.step("pwrite")
            node.since.append((offset, bytes(data)))
        return os.pwrite(fd, data, offset)

    def ftruncate(self, fd: int, length: int) -> None:
        self._disk.step("truncate")
        os.ftruncate(fd, length)
        if (node := self._disk.node(fd)) is not None:
            node.since.append((length, None))

    def posix_fallocate(self, fd: int, offset: int, length: int) -> None:
        self._disk.step("allocate")
        self._disk.take(length)
        os.posix_fallocate(fd, offset, length)
        if (node := self._disk.node(fd)) is not None:
            node.since.append((offset + length, b""))

    def rename(self, src: str, dst: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        key = key_of(os.stat(src, dir_fd=src_dir_fd, follow_symlinks=False))
        old, new = self._disk.directory(src_dir_fd, src), self._disk.directory(dst_dir_fd, dst)
        self._disk.step(f"rename {src} {dst}")
        os.rename(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if old is not None and new is not None:
            self._disk.changed((*old, None), (*new, key))

    def link(self, src: str, dst: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None,
             follow_symlinks: bool = True) -> None:  # fmt: skip
        new = self._disk.directory(dst_dir_fd, dst)
        self._disk.step(f"link {src} {dst}")
        os.link(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)
        key = key_of(os.stat(dst, dir_fd=dst_dir_fd, follow_symlinks=False))
        if new is not None and key in self._disk.nodes:
            self._disk.changed((*new, key))

    def unlink(self, path: str, *, dir_fd: int | None = None) -> None:
        where = self._disk.directory(dir_fd, path)
        facts = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
        self._disk.step(f"unlink {path}", refusable=False)
        os.unlink(path, dir_fd=dir_fd)
        if self._disk.free is not None and facts.st_nlink == 1:
            self._disk.free += facts.st_size
        if where is not None:
            self._disk.changed((*where, None))

    def mkdir(self, path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        where = self._disk.directory(dir_fd, path)
        if where is not None and not _there(path, dir_fd):
            self._disk.step(f"mkdir {path}")
            self._disk.take(1)
        os.mkdir(path, mode, dir_fd=dir_fd)
        if where is not None:
            key = key_of(os.stat(path, dir_fd=dir_fd))
            self._disk.names[key] = {}
            self._disk.changed((*where, key))

    def makedirs(self, path: str, mode: int = 0o777, exist_ok: bool = False) -> None:
        head = os.path.dirname(path)
        if not os.path.isdir(head):
            self.makedirs(head, mode, exist_ok=True)
        if not (exist_ok and os.path.isdir(path)):
            self.mkdir(path, mode)

    def fsync(self, fd: int) -> None:
        key = key_of(os.fstat(fd))
        if key in self._disk.names:
            self._disk.sync_names(key)
        elif (node := self._disk.node(fd)) is not None:
            self._disk.sync(node)

    fdatasync = fsync

    def statvfs(self, path: str) -> Any:
        facts = os.statvfs(path)
        if self._disk.free is None:
            return facts
        blocks = self._disk.free // facts.f_frsize
        return types.SimpleNamespace(
            f_frsize=facts.f_frsize, f_blocks=facts.f_blocks, f_bavail=blocks, f_favail=min(1, self._disk.free)
        )


def _there(path: str, dir_fd: int | None) -> bool:
    try:
        os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _flags(fd: int) -> int:
    return int(disk.fcntl(fd, _F_GETFL))


def put_under(seeded: SeededDisk, patch: pytest.MonkeyPatch) -> None:
    """From now on the store lies on this disk; SQLite's files too, which the caller undoes by `sqlite_disk`."""
    seam = _Seam(seeded)
    for name in vars(_Seam):
        if not name.startswith("_"):
            patch.setattr(disk, name, getattr(seam, name))
    patch.setattr(faultpoints, "reach", lambda name: seeded.step(name, refusable=False))
