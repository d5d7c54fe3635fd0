"""Which files are SQLite's, and a mark by which to tell that one has changed."""

from __future__ import annotations

import bisect
import os
import struct
from typing import Final

HEADER: Final = b"SQLite format 3\0"
BESIDE: Final = ("-wal", "-shm", "-journal")
ABSENT: Final = "absent"

_HEAD_BYTES: Final = 100
"""The database header, which counts the changes (sqlite.org/fileformat2.html)."""

_WAL_HEAD: Final = struct.Struct(">8xI4x8s8x")
"""Page size, and salts, which change whenever the WAL begins anew (sqlite.org/fileformat2.html, section 4.1)."""

_FRAME_HEAD: Final = struct.Struct(">8x8s8x")
"""The salts again, between what page it is and the sum of all frames so far."""


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
    return f"{size} {head.hex()} {_wal_mark(path)}"


def stamp(path: str, fd: int | None = None) -> str:
    """As `mark`; also another text after a commit that wrote over what a rollback had left in the WAL. It means nothing
    to another process: the file may have been copied meanwhile.
    """
    try:
        written = os.stat(f"{path}-wal").st_mtime_ns
    except OSError:
        written = 0
    return f"{mark(path, fd)} {written}"


def _wal_mark(path: str) -> str:
    """The head of the WAL, how many frames it has since it began anew, and the head of the last of these."""
    try:
        with open(f"{path}-wal", "rb", buffering=0) as wal:
            head = wal.read(_WAL_HEAD.size)
            page, salts = _WAL_HEAD.unpack(head)
            length = _FRAME_HEAD.size + page

            def frame(number: int) -> bytes:
                return os.pread(wal.fileno(), _FRAME_HEAD.size, _WAL_HEAD.size + number * length)

            frames = range((os.fstat(wal.fileno()).st_size - _WAL_HEAD.size) // length)
            count = bisect.bisect_left(frames, True, key=lambda number: _FRAME_HEAD.unpack(frame(number))[0] != salts)
            return f"{head.hex()} {count} {frame(count - 1).hex() if count else ''}"
    except (OSError, struct.error):
        return "0"


def _head(path: str, size: int) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(size)
