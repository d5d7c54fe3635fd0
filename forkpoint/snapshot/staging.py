"""The arena that hot memory is copied into before a fork (native/staging.c), and what children decide about it.

Each child looks, when its work is done, at what the program rewrites (hotness), and leaves in shared memory what the
next fork is to copy: the program reads it, once that commit is durable, and the next child what this one remembers. A
new arena is touched for the first time by the next child, so that the program does not pay for fresh memory; until then
the one before is used.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import struct
from collections.abc import Sequence
from typing import Final

from forkpoint import _native
from forkpoint.limits import ARENA_PATIENCE, STAGING_SHARE_MAX
from forkpoint.snapshot import hotness, memory
from forkpoint.snapshot.hotness import Block, Found

_HEAD: Final = struct.Struct("=qqqqq")
_RANGE: Final = struct.Struct("=QQ")
_BLOCK: Final = struct.Struct("=QQQ")
_BLOCKS_MAX: Final = 1 << 16
_UNKNOWN: Final = -1
_POPULATE_WRITE: Final = 23
"""MADV_POPULATE_WRITE (Linux 5.14), which Python does not name."""


class Board:
    """Shared memory on which a child leaves what comes next: how much of the arenas is touched, the bytes that an arena
    should have, the ranges to stage, and what is remembered of blocks. Only hints: wrong ones cost time.
    """

    __slots__ = ("_memory",)

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _HEAD.size + _native.RANGES_MAX * _RANGE.size + _BLOCKS_MAX * _BLOCK.size)
        _HEAD.pack_into(self._memory, 0, _UNKNOWN, 0, 0, 0, 0)

    def clear(self) -> None:
        """In the program, before a fork: that child has said nothing yet."""
        _, *rest = _HEAD.unpack_from(self._memory)
        _HEAD.pack_into(self._memory, 0, _UNKNOWN, *rest)

    def write(
        self, ranges: Sequence[hotness.Range], wanted: int, touched: tuple[int, int], blocks: dict[int, Block]
    ) -> None:
        """In the child: all of it; `touched` are the sizes of this arena and of the next."""
        for row, one in enumerate(ranges):
            _RANGE.pack_into(self._memory, _HEAD.size + row * _RANGE.size, *one)
        start = _HEAD.size + _native.RANGES_MAX * _RANGE.size
        kept = list(blocks.items())[:_BLOCKS_MAX]
        for row, (address, block) in enumerate(kept):
            _BLOCK.pack_into(self._memory, start + row * _BLOCK.size, address, block.sample, block.cold)
        _HEAD.pack_into(self._memory, 0, len(ranges), wanted, *touched, len(kept))

    def read(self) -> tuple[bytes, int, tuple[int, int]] | None:
        """Ranges as native/staging.c takes them, bytes wanted, sizes touched. None: nothing was said."""
        count, wanted, touched, next_touched, _ = _HEAD.unpack_from(self._memory)
        if count == _UNKNOWN:
            return None
        return self._memory[_HEAD.size : _HEAD.size + count * _RANGE.size], wanted, (touched, next_touched)

    def blocks(self) -> dict[int, Block]:
        """In a child: what the one before remembered."""
        count = _HEAD.unpack_from(self._memory)[-1]
        start = _HEAD.size + _native.RANGES_MAX * _RANGE.size
        rows = _BLOCK.iter_unpack(self._memory[start : start + count * _BLOCK.size])
        return {address: Block(sample, cold) for address, sample, cold in rows}


class Staging:
    """The arena of a program, of `limit` bytes at most. None: a share of what the machine has left; 0: none."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._board = Board() if limit != 0 else None
        self._arena: mmap.mmap | None = None
        self._next: mmap.mmap | None = None
        self._ranges = b""
        self._unused = 0

    def request(self) -> tuple[int, int, bytes] | None:
        """What the next fork is to copy aside, for `_native.fork`."""
        if self._board is None:
            return None
        self._board.clear()
        if self._arena is None:
            return None
        return _native.buffer_address(self._arena), len(self._arena), self._ranges

    def begin(self) -> None:
        """In the child, before it uses memory of its own."""
        if self._board is not None:
            _native.rewritten_begin()

    def tell(self, found: Sequence[Found] | None) -> None:
        """In the child, at its end: the buffers it found; None where nothing could be compared. Touches a new arena."""
        if self._board is None or found is None:
            return
        ranges = [*_RANGE.iter_unpack(self._ranges)] if self._arena is not None else []
        size = _native.BLOCK_BYTES
        staged = filter(_native.is_staged, hotness.blocks_outside(ranges, found, size))
        samples = {block: _native.sample(block) for block in staged}
        rewritten = hotness.blocks_outside(_native.rewritten_runs(), found, size)
        blocks, remembered = hotness.remember(self._board.blocks(), samples, rewritten)
        touched = self._size, _touch(self._next) if self._next is not None else 0
        hot = [*found, *hotness.merged(blocks, size)]
        room = touched[1] or touched[0]
        wanted = sum(size for _, size in self._choose(hot, self._most()))
        self._board.write(self._choose(hot, room), wanted, touched, remembered)

    def learn(self) -> None:
        """The child's commit is durable: what it left decides about the next fork."""
        if self._board is None or (told := self._board.read()) is None:
            return
        ranges, wanted, (_, touched) = told
        if self._next is not None:
            if touched == len(self._next):
                self._close(self._arena)
                self._arena = self._next
            else:
                self._close(self._next)
            self._next = None
        self._ranges = ranges if self._arena is not None else b""
        size = hotness.arena_size(wanted, self._size, self._most(), mmap.PAGESIZE)
        self._unused = self._unused + 1 if size < self._size else 0
        if size > self._size or self._unused > ARENA_PATIENCE:
            self._unused = 0
            self._begin(size)

    def give_up(self) -> None:
        """A child ended without a word: it may have missed its memory. From here on, plain copy-on-write."""
        if self._ranges:
            self._board = None
            self._close(self._arena)
            self._close(self._next)
            self._arena = self._next = None
            self._ranges = b""

    def _choose(self, hot: Sequence[Found], limit: int) -> tuple[hotness.Range, ...]:
        return hotness.choose(hot, limit, mmap.PAGESIZE, _native.RANGES_MAX)

    def _most(self) -> int:
        """How large an arena may be."""
        if self._limit is not None:
            return self._limit
        return int(memory.available_bytes() * STAGING_SHARE_MAX) + self._size

    @property
    def _size(self) -> int:
        return len(self._arena) if self._arena is not None else 0

    def _begin(self, size: int) -> None:
        """An arena of this size is the next one; of none, there is none at once."""
        if not size:
            self._close(self._arena)
            self._arena, self._ranges = None, b""
            return
        with contextlib.suppress(OSError):  # no memory for it: as before
            self._next = mmap.mmap(-1, size)

    @staticmethod
    def _close(arena: mmap.mmap | None) -> None:
        if arena is not None:
            arena.close()


def _touch(arena: mmap.mmap) -> int:
    """Have memory behind all of the arena; how much there is. Where there is none, this process is the one to die."""
    try:
        arena.madvise(_POPULATE_WRITE)
    except OSError as problem:
        if problem.errno != errno.EINVAL:
            return 0
        arena[:: mmap.PAGESIZE] = bytes(len(arena) // mmap.PAGESIZE)  # an older kernel
    return len(arena)
