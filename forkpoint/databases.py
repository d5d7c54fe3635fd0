"""Which files are SQLite's, and a mark by which to tell that one has changed."""

from __future__ import annotations

import os
from typing import Final

HEADER: Final = b"SQLite format 3\0"
BESIDE: Final = ("-wal", "-shm", "-journal")
ABSENT: Final = "absent"

_HEAD_BYTES: Final = 100
"""The database header, which counts the changes (sqlite.org/fileformat2.html)."""

_WAL_HEAD_BYTES: Final = 32
"""The head of a WAL, whose salts change whenever it begins anew; in between it grows with each commit."""


def is_database(path: str) -> bool:
    """By its first bytes. False for what cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(len(HEADER)) == HEADER
    except OSError:
        return False


def belongs_to_one(path: str) -> bool:
    """Whether this is what SQLite keeps beside a database."""
    return any(path.endswith(suffix) and is_database(path.removesuffix(suffix)) for suffix in BESIDE)


def mark(path: str, fd: int | None = None) -> str:
    """Another text after each commit to the database; `ABSENT` where there is none. `fd`: a descriptor of the file, to
    be given by a process that has it open, which must not close another.
    """
    try:
        head = _head(path, _HEAD_BYTES) if fd is None else os.pread(fd, _HEAD_BYTES, 0)
        size = os.stat(path).st_size
    except OSError:
        return ABSENT
    try:
        wal = f"{os.stat(f'{path}-wal').st_size} {_head(f'{path}-wal', _WAL_HEAD_BYTES).hex()}"
    except OSError:
        wal = "0"
    return f"{size} {head.hex()} {wal}"


def _head(path: str, size: int) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(size)
