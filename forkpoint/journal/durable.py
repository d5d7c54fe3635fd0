"""Bytes that are on the disk when the call returns, written beneath a held directory without following links.

A failed fsync is never tried again: the kernel reports success the second time while the disk holds old data.
Whoever sees it fail abandons that file.
"""

from __future__ import annotations

import contextlib
import os
import stat

from forkpoint.journal import disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_DESCRIPTOR_MIN = 200


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data`, however short the single writes are."""
    view = memoryview(data).cast("B")
    while view:
        written = disk.write(fd, view)
        if written <= 0:
            raise OSError(f"write to descriptor {fd} made no progress")
        view = view[written:]


def begin_writeback(fd: int, offset: int, length: int) -> None:
    """Let the kernel begin to write these bytes to the disk, without waiting; promises nothing.

    Linux begins to write dirty pages it is told are not needed (mm/fadvise.c); Python has no sync_file_range.
    """
    with contextlib.suppress(OSError):
        disk.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)


def read_exactly(fd: int, length: int, offset: int) -> bytes:
    """Up to `length` bytes from `offset`; fewer only at the end of the file."""
    data = disk.pread(fd, length, offset)
    while len(data) < length:
        more = disk.pread(fd, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def open_beneath(root: int, parts: Iterable[str], flags: int, mode: int = 0o600) -> int:
    """Open `root`/parts[0]/parts[1]/...; no part may be a link, `.` or `..`. The caller closes the descriptor."""
    *directories, name = parts
    held = root
    try:
        for part in (*directories, name):
            if not part or part in (".", "..") or "/" in part:
                raise ValueError(f"not a name inside a store: {part!r}")
        for part in directories:
            below = disk.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=held)
            if held != root:
                disk.close(held)
            held = below
        return disk.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=held)
    finally:
        if held != root:
            disk.close(held)


def apart(fd: int) -> int:
    """The same file under a number above those that programs close wholesale or expect to be given next."""
    try:
        return disk.fcntl(fd, disk.F_DUPFD_CLOEXEC, _DESCRIPTOR_MIN)
    except OSError:
        return disk.fcntl(fd, disk.F_DUPFD_CLOEXEC, 3)
    finally:
        disk.close(fd)


def open_directory(root: int, *parts: str) -> int:
    """A descriptor of a directory beneath `root`."""
    return open_beneath(root, parts, os.O_RDONLY | os.O_DIRECTORY)


def make_directory(parent: int, name: str) -> bool:
    """Make `name` with mode 0700 whatever the umask, durably. False if it was there."""
    try:
        disk.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return False
    fd = open_directory(parent, name)
    try:
        disk.fchmod(fd, 0o700)
    finally:
        disk.close(fd)
    disk.fsync(parent)
    return True


def create_file(parent: int, name: str) -> int:
    """A new file of ours, mode 0600 whatever the umask; FileExistsError if the name is taken, by a link too."""
    fd = open_beneath(parent, (name,), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    disk.fchmod(fd, 0o600)
    return fd


def replace_file(parent: int, name: str, data: bytes) -> None:
    """Put a file with this content in place, atomically and durably: after a crash the old one or the new one."""
    temporary = f".{name}.{os.getpid()}.{disk.urandom(4).hex()}"
    fd = create_file(parent, temporary)
    try:
        try:
            write_all(fd, data)
            disk.fdatasync(fd)
        finally:
            disk.close(fd)
        disk.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with contextlib.suppress(OSError):
            disk.unlink(temporary, dir_fd=parent)
        raise
    disk.fsync(parent)


def read_file(parent: int, name: str, limit: int) -> bytes:
    """All of a small regular file. Raises ValueError when it is longer than `limit` or no regular file."""
    fd = open_beneath(parent, (name,), os.O_RDONLY | os.O_NONBLOCK)
    try:
        facts = disk.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > limit:
            raise ValueError(f"{name} is no regular file of at most {limit} bytes")
        return read_exactly(fd, facts.st_size, 0)
    finally:
        disk.close(fd)
