"""A file of the program's kept in the store before it is changed: as a copy, or as another name for it.

In an encrypted store it is always a copy, of pieces of 1 MiB, each hidden by itself: 32 bytes of salt and tag
(cipher.py), then as many bytes as the piece has. Which piece of which name it is, is what it is hidden for.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

import blake3

from forkpoint.errors import IntegrityError
from forkpoint.journal import disk, durable
from forkpoint.journal.cipher import PROOF_BYTES, Cipher
from forkpoint.journal.home import Home

_PIECE_BYTES = 1 << 20


def keep(home: Home, path: str, name: str, *, replaced: bool) -> str:
    """Keep the file at `path` as leases/`name`; the digest of its content. One that is `replaced` as a whole only needs
    another name. Raises OSError when it cannot be read or there is no room.
    """
    with home.held("leases") as directory:
        with contextlib.suppress(FileNotFoundError):
            disk.unlink(name, dir_fd=directory)
        try:
            if replaced and home.seal.cipher is None and _linked(path, directory, name):
                return _digest(path)
            return _copy(path, directory, name, home.seal.cipher)
        except BaseException:
            with contextlib.suppress(OSError):
                disk.unlink(name, dir_fd=directory)
            raise


def _linked(path: str, directory: int, name: str) -> bool:
    """Another name for the same file, where both lie on one filesystem.

    Not for somebody else's file, nor for one that has more names already, under which it may still be changed.
    """
    try:
        facts = disk.lstat(path)
        if facts.st_uid != os.geteuid() or facts.st_nlink != 1:
            return False
        disk.link(path, name, dst_dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return True


def _pieces(fd: int, length: int) -> Iterator[bytes]:
    """What is in a file, `length` bytes at a time; fewer only at its end."""
    offset = 0
    while data := durable.read_exactly(fd, length, offset):
        yield data
        offset += len(data)


def _digest(path: str) -> str:
    """BLAKE3 of a whole file, as hex."""
    fd = disk.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        hasher = blake3.blake3()
        for data in _pieces(fd, _PIECE_BYTES):
            hasher.update(data)
        return str(hasher.hexdigest())
    finally:
        disk.close(fd)


def _copy(path: str, directory: int, name: str, cipher: Cipher | None) -> str:
    """Copy a file into the store; the digest of its content."""
    source = disk.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = durable.create_file(directory, name)
        try:
            hasher = blake3.blake3()
            for number, data in enumerate(_pieces(source, _PIECE_BYTES)):
                hasher.update(data)
                if cipher is None:
                    durable.write_all(target, data)
                else:
                    for part in cipher.encrypt(_meaning(name, number), data):
                        durable.write_all(target, part)
            return str(hasher.hexdigest())
        finally:
            disk.close(target)
    finally:
        disk.close(source)


def _meaning(name: str, number: int) -> bytes:
    return f"kept {name} {number}".encode()


def open_kept(home: Home, name: str, digest: str) -> int:
    """A descriptor from which the content can be read. Raises OSError when it is gone, IntegrityError when it is not
    what `digest` says.
    """
    with home.held("leases") as directory:
        fd = durable.open_beneath(directory, (name,), os.O_RDONLY | os.O_NONBLOCK)
    try:
        if home.seal.cipher is not None:
            fd = _shown(fd, name, home.seal.cipher)
        hasher = blake3.blake3()
        if stat.S_ISREG(disk.fstat(fd).st_mode):
            for data in _pieces(fd, _PIECE_BYTES):
                hasher.update(data)
        if hasher.hexdigest() != digest:
            raise IntegrityError("it is not what was kept")
        return fd
    except BaseException:
        disk.close(fd)
        raise


def _shown(hidden: int, name: str, cipher: Cipher) -> int:
    """The content in memory, where no disk keeps it: a file that is kept has at most `limits.MAX_FILE_BYTES`, or what
    the user made of that. Closes `hidden`.
    """
    fd = os.memfd_create("forkpoint-kept", os.MFD_CLOEXEC)
    try:
        if stat.S_ISREG(disk.fstat(hidden).st_mode):
            for number, data in enumerate(_pieces(hidden, PROOF_BYTES + _PIECE_BYTES)):
                plain = cipher.decrypt(_meaning(name, number), data[:PROOF_BYTES], data[PROOF_BYTES:])
                durable.write_all(fd, plain)
    except BaseException:
        disk.close(fd)
        raise
    disk.close(hidden)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
