"""The arena that hot memory is copied into before a fork (native/staging.c), and what children decide about it.

Each child looks, when its work is done, at what the program rewrites (hotness), and leaves in shared memory what the
next fork is to copy: the program reads it, once that commit is durable, and the next child what this one remembers. A
new arena is touched for the first time by the next child, so that the program does not pay for fresh memory; until then
the one before is used.

Memory that is no buffer is only copied while the program has no other thread: in malloc's own memory what such a thread
writes between the copy and the fork would leave half of it from before and half from after. What the C library keeps
of freed memory is left out of the fork then, where it can be found (native/heap.c). Where it cannot, it is given back
before a fork until the arena has room for it too.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import struct
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from forkpoint import _native
from forkpoint.limits import ARENA_PATIENCE, STAGING_SHARE_MAX, UNSTAGED_COMMITS
from forkpoint.snapshot import hotness, memory
from forkpoint.snapshot.hotness import Block, Found

_HEAD: Final = struct.Struct("=qqqqqqq")
_RANGE: Final = struct.Struct("=QQ")
_BLOCK: Final = struct.Struct("=QQQ")
_BLOCKS_MAX: Final = 1 << 16
_BUFFERS_AT: Final = _HEAD.size + _native.RANGES_MAX * _RANGE.size
_BLOCKS_AT: Final = _BUFFERS_AT + _native.RANGES_MAX * _RANGE.size
_UNKNOWN: Final = -1
_POPULATE_WRITE: Final = 23
"""MADV_POPULATE_WRITE (Linux 5.14), which Python does not name."""


class Told(NamedTuple):
    """What to stage, as native/staging.c takes it: all, or of buffers alone; how many bytes are hot, how many of them
    an arena should have room for, and how much of this arena and of the next is touched.
    """

    ranges: bytes
    buffers: bytes
    hot: int
    wanted: int
    touched: int
    next_touched: int


class Board:
    """Shared memory on which a child leaves what comes next and what is remembered of blocks: hints, no more."""

    __slots__ = ("_memory",)

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _BLOCKS_AT + _BLOCKS_MAX * _BLOCK.size)
        _HEAD.pack_into(self._memory, 0, _UNKNOWN, 0, 0, 0, 0, 0, 0)

    def clear(self) -> None:
        """In the program, before a fork: that child has said nothing yet."""
        _, *rest = _HEAD.unpack_from(self._memory)
        _HEAD.pack_into(self._memory, 0, _UNKNOWN, *rest)

    def write(self, told: Told, blocks: dict[int, Block]) -> None:
        """In the child: all of it."""
        self._memory[_HEAD.size : _HEAD.size + len(told.ranges)] = told.ranges
        self._memory[_BUFFERS_AT : _BUFFERS_AT + len(told.buffers)] = told.buffers
        kept = list(blocks.items())[:_BLOCKS_MAX]
        rows = [_BLOCK.pack(address, block.sample, block.cold) for address, block in kept]
        self._memory[_BLOCKS_AT : _BLOCKS_AT + len(rows) * _BLOCK.size] = b"".join(rows)
        _HEAD.pack_into(self._memory, 0, len(told.ranges), len(told.buffers), *told[2:], len(rows))

    def read(self) -> Told | None:
        """In the program: what the child left; None when it said nothing."""
        ranges, buffers, *sizes, _ = _HEAD.unpack_from(self._memory)
        if ranges == _UNKNOWN:
            return None
        held = self._memory[_HEAD.size : _HEAD.size + ranges], self._memory[_BUFFERS_AT : _BUFFERS_AT + buffers]
        return Told(*held, *sizes)

    def blocks(self) -> dict[int, Block]:
        """In a child: what the one before remembered."""
        count = _HEAD.unpack_from(self._memory)[-1]
        rows = _BLOCK.iter_unpack(self._memory[_BLOCKS_AT : _BLOCKS_AT + count * _BLOCK.size])
        return {address: Block(sample, cold) for address, sample, cold in rows}


class Staging:
    """The arena of a program, of `limit` bytes at most. None: a share of what the machine has left; 0: none."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._board = Board() if limit != 0 else None
        self._arena: mmap.mmap | None = None
        self._next: mmap.mmap | None = None
        self._told: Told | None = None
        self._ranges = b""
        self._unused = 0
        self._overflows = False
        self._pause = self._silent = 0

    def request(self) -> tuple[int, int, bytes, bool] | None:
        """What the next fork is to copy aside, for `_native.fork`; and whether that is all that is hot, so that freed
        memory, which is rewritten like any other, need not be given back before where it cannot be left out.
        """
        if self._board is None or self._pause:
            return None
        self._board.clear()
        self._ranges = b""
        if self._arena is None or self._told is None:
            return 0, 0, b"", False
        alone = _native.is_alone()
        self._ranges = self._told.ranges if alone else self._told.buffers
        covers = alone and not self._overflows and self._told.hot <= len(self._arena)
        return _native.buffer_address(self._arena), len(self._arena), self._ranges, covers

    def begin(self) -> None:
        """In the child, before it uses memory of its own."""
        if self._board is not None and not self._pause:
            _native.rewritten_begin()

    def tell(self, found: Sequence[Found] | None) -> None:
        """In the child, at its end: the buffers it found; None where nothing could be compared. Touches a new arena."""
        if self._board is None or self._pause or found is None:
            return
        ranges = _RANGE.iter_unpack(self._ranges)
        size = _native.BLOCK_BYTES
        staged = filter(_native.is_staged, hotness.blocks_outside(ranges, found, size))
        samples = {block: sample for block in staged if (sample := _native.sample(block)) is not None}
        rewritten = hotness.blocks_outside(_native.rewritten_runs(), found, size)
        blocks, remembered = hotness.remember(self._board.blocks(), samples, rewritten)
        touched, next_touched = self._size, _touch(self._next) if self._next is not None else 0
        hot = [*found, *hotness.merged(blocks, size)]
        room = next_touched or touched
        most = self._most()
        total, wanted = (sum(size for _, size in self._choose(hot, limit)) for limit in (sys.maxsize, most))
        told = Told(self._packed(hot, room), self._packed(found, room), total, wanted, touched, next_touched)
        self._board.write(told, remembered)

    def learn(self) -> None:
        """The child's commit is durable: what it left decides about the next fork."""
        if self._pause:
            self._pause -= 1
            return
        if self._board is None or (told := self._board.read()) is None:
            return
        if self._next is not None:
            if told.next_touched == len(self._next):
                self._close(self._arena)
                self._arena = self._next
            else:
                self._close(self._next)
            self._next = None
        self._told = told
        self._overflows = self._overflows or told.hot > told.wanted
        size = hotness.arena_size(told.wanted, self._size, self._most(), mmap.PAGESIZE)
        self._unused = self._unused + 1 if size < self._size else 0
        if size > self._size or self._unused > ARENA_PATIENCE:
            self._unused = 0
            self._begin(size)

    def give_up(self) -> None:
        """A child ended without a word: it may have missed its memory, or there was none left. For some commits, longer
        each time, plain copy-on-write.
        """
        self._silent += 1
        self._pause = UNSTAGED_COMMITS * self._silent
        self._close(self._arena)
        self._close(self._next)
        self._arena = self._next = self._told = None
        self._ranges = b""

    def _choose(self, hot: Sequence[Found], limit: int) -> tuple[hotness.Range, ...]:
        return hotness.choose(hot, limit, mmap.PAGESIZE, _native.RANGES_MAX)

    def _packed(self, hot: Sequence[Found], limit: int) -> bytes:
        return b"".join(_RANGE.pack(*one) for one in self._choose(hot, limit))

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
            self._arena = None
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
