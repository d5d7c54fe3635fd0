"""Which memory is copied aside before the next fork; pure. Hot is learned from what changed before, never declared.

Of buffers it is known how much of each changed between two commits. Of all other memory (what a training step allocates
anew and frees, above all) a child sees which blocks the program wrote while it lived, as long as they are shared; once
they are staged, whether a sample of each is still what it was.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from forkpoint.limits import ARENA_SHARE_MAX, COLD_COMMITS, HOT_SHARE, STAGED_BYTES_MIN


class Found(NamedTuple):
    """A large buffer as a child found it: where, how long, and the share of it that changed since the commit before."""

    address: int
    nbytes: int
    changed: float


Range = tuple[int, int]
"""Address and size, both whole pages."""


class Block(NamedTuple):
    """What is remembered of a block of memory that is no buffer: the sample of it where it was staged, or for how many
    commits it is not staged again, as it did not change when it was.
    """

    sample: int
    cold: int


def choose(found: Iterable[Found], limit: int, page: int, count_max: int) -> tuple[Range, ...]:
    """What to stage: whole pages inside buffers that mostly change, most changed first, `limit` bytes at most, of the
    last one only its beginning; ascending, without overlaps.
    """
    hot = [(one.changed * one.nbytes, *whole) for one in found if (whole := _hot(one, page))]
    chosen: list[Range] = []
    room = limit
    for _, address, size in sorted(hot, reverse=True)[:count_max]:
        fits = min(size, room // page * page)
        if fits >= STAGED_BYTES_MIN:
            chosen.append((address, fits))
            room -= fits
    ascending: list[Range] = []
    for address, size in sorted(chosen):
        if not ascending or address >= sum(ascending[-1]):
            ascending.append((address, size))
    return tuple(ascending)


def _hot(one: Found, page: int) -> Range | None:
    """The whole pages of a buffer that is expected to be rewritten; None for another, or where few would be left."""
    if one.changed < HOT_SHARE:
        return None
    start = -(-one.address // page) * page
    size = (one.address + one.nbytes) // page * page - start
    return (start, size) if size >= STAGED_BYTES_MIN else None


def blocks_outside(runs: Iterable[Range], buffers: Iterable[Found], block: int) -> list[int]:
    """Addresses of the whole blocks in `runs` that no buffer reaches into, ascending if the runs do."""
    taken = sorted((one.address, one.address + one.nbytes) for one in buffers)
    starts = [start for start, _ in taken]
    blocks = []
    for address, size in runs:
        for start in range(-(-address // block) * block, (address + size) // block * block, block):
            after = bisect.bisect_left(starts, start + block)
            if not after or taken[after - 1][1] <= start:
                blocks.append(start)
    return blocks


def remember(
    before: Mapping[int, Block], staged: Mapping[int, int], rewritten: Sequence[int]
) -> tuple[list[int], dict[int, Block]]:
    """The blocks to stage next, ascending, and what is remembered of all: from what was remembered, samples of those
    that were `staged`, and those that were shared and then `rewritten`.
    """
    hot, memory = [], {}
    for address, sample in staged.items():
        known = before.get(address)
        still = known is None or known.sample != sample
        memory[address] = Block(sample, 0 if still else COLD_COMMITS)
        if still:
            hot.append(address)
    for address in rewritten:
        known = before.get(address)
        if known is not None and known.cold > 0:
            memory[address] = Block(known.sample, known.cold - 1)
        else:
            hot.append(address)
    return sorted(hot), memory


def merged(blocks: Iterable[int], block: int) -> list[Found]:
    """Ascending blocks as few buffers, all of which changed."""
    found: list[Found] = []
    for address in blocks:
        last = found[-1] if found else None
        if last is not None and last.address + last.nbytes == address:
            found[-1] = Found(last.address, last.nbytes + block, 1.0)
        else:
            found.append(Found(address, block, 1.0))
    return found


def arena_size(wanted: int, current: int, limit: int, page: int) -> int:
    """How large the arena should be: kept while it does and is not mostly unused, since a new one cannot be used at
    once; a new one with room to grow.
    """
    if wanted <= current <= min(ARENA_SHARE_MAX * wanted, limit):
        return current
    return min(wanted + wanted // (4 * page) * page, limit)
