"""The arena that hot memory is copied into before a fork (native/staging.c), and what children report of buffers.

A child writes into shared memory where it found large buffers and how much of each had changed; the program learns it
once that commit is durable. It walks no object graph itself. A new arena is touched for the first time by the next
child, so that the program does not pay for fresh memory, and is used from the fork after that.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import struct
from array import array
from collections.abc import Sequence
from typing import Final

from forkpoint import _native
from forkpoint.limits import COPY_BYTES_PER_SECOND, FORK_SECONDS_PER_BYTE, STAGING_SHARE_MAX
from forkpoint.snapshot import hotness, memory
from forkpoint.snapshot.hotness import Found

_HEAD: Final = struct.Struct("=qq")
_ROW: Final = struct.Struct("=QQd")
_UNKNOWN: Final = -1
_POPULATE_WRITE: Final = 23
"""MADV_POPULATE_WRITE (Linux 5.14), which Python does not name."""


class Findings:
    """Shared memory in which a child leaves the rows the program reads: how many, then the rows, most changed first."""

    __slots__ = ("_memory",)

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _HEAD.size + _native.RANGES_MAX * _ROW.size)
        self.clear()

    def clear(self) -> None:
        """In the program, before a fork: nothing is known of it yet."""
        _HEAD.pack_into(self._memory, 0, _UNKNOWN, 0)

    def tell(self, found: Sequence[Found], touched: int) -> None:
        """In the child: these are the buffers, and `touched` bytes of the arena are there."""
        most = sorted(found, key=lambda one: one.changed * one.nbytes, reverse=True)[: _native.RANGES_MAX]
        for row, one in enumerate(most):
            _ROW.pack_into(self._memory, _HEAD.size + row * _ROW.size, one.address, one.nbytes, one.changed)
        _HEAD.pack_into(self._memory, 0, len(most), touched)

    def read(self) -> tuple[list[Found] | None, int]:
        """The buffers (None: no child said anything), and how much of the arena has been touched."""
        count, touched = _HEAD.unpack_from(self._memory)
        if count == _UNKNOWN:
            return None, 0
        rows = self._memory[_HEAD.size : _HEAD.size + count * _ROW.size]
        return [Found(*row) for row in _ROW.iter_unpack(rows)], touched


class Staging:
    """The one arena of a program, of `limit` bytes at most. None: a share of what the machine has left, used as far as
    a stop stays short; 0: none.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._findings = Findings() if limit != 0 else None
        self._arena: mmap.mmap | None = None
        self._touched = 0
        self._ranges: tuple[hotness.Range, ...] = ()
        self._rate = COPY_BYTES_PER_SECOND
        self._affordable = 0

    def took(self, *, capture: float, fork: float, staged: tuple[float, int]) -> None:
        """What the last stop took, in seconds: the capture, the fork, and in it the copying of so many bytes."""
        seconds, size = staged
        if size:
            self._rate = size / seconds
        bare = fork - seconds + size * FORK_SECONDS_PER_BYTE
        self._affordable = hotness.affordable(bare, capture, self._rate)

    def request(self) -> tuple[int, int, bytes] | None:
        """What the next fork is to copy aside, for `_native.fork`."""
        if self._findings is None:
            return None
        self._findings.clear()
        if self._arena is None:
            return None
        usable = self._ranges if self._touched else ()
        numbers = array("Q", [number for pair in usable for number in pair])
        return _native.buffer_address(self._arena), len(self._arena), numbers.tobytes()

    def tell(self, found: Sequence[Found] | None) -> None:
        """In the child, at its end: what it found; None where nothing could be compared. Touches a new arena."""
        if self._findings is None or found is None:
            return
        if self._arena is not None and not self._touched:
            self._touched = _touch(self._arena)
        self._findings.tell(found, self._touched)

    def learn(self) -> None:
        """The child's commit is durable: what it found decides about the next fork."""
        if self._findings is None:
            return
        found, touched = self._findings.read()
        if found is None:
            return
        self._touched = touched
        limit = room = self._limit
        if limit is None or room is None:
            limit = int(memory.available_bytes() * STAGING_SHARE_MAX) + self._size
            room = min(limit, self._affordable)
        self._ranges = hotness.choose(found, room, mmap.PAGESIZE, _native.RANGES_MAX)
        size = hotness.arena_size(sum(size for _, size in self._ranges), self._size, limit, mmap.PAGESIZE)
        if size != self._size:
            self._resize(size)

    def give_up(self) -> None:
        """A child ended without a word: it may have missed its memory. From here on, plain copy-on-write."""
        if self._ranges and self._touched:
            self._findings = None
            self._resize(0)

    @property
    def _size(self) -> int:
        return len(self._arena) if self._arena is not None else 0

    def _resize(self, size: int) -> None:
        if self._arena is not None:
            self._arena.close()
        self._arena, self._touched = None, 0
        if size:
            with contextlib.suppress(OSError):  # no memory for it: copy-on-write
                self._arena = mmap.mmap(-1, size)


def _touch(arena: mmap.mmap) -> int:
    """Have memory behind all of the arena; how much there is. Where there is none, this process is the one to die."""
    try:
        arena.madvise(_POPULATE_WRITE)
    except OSError as problem:
        if problem.errno != errno.EINVAL:
            return 0
        arena[:: mmap.PAGESIZE] = bytes(len(arena) // mmap.PAGESIZE)  # an older kernel
    return len(arena)
