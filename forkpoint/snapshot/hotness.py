"""Which memory is copied aside before the next fork; pure. Hot is learned from what changed before, never declared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from forkpoint.limits import ARENA_SHARE_MAX, HOT_SHARE, STAGED_BYTES_MIN, STAGING_FORK_SHARE, STAGING_SECONDS


@dataclass(frozen=True, slots=True)
class Found:
    """A large buffer as a child found it: where, how long, and the share of it that changed since the commit before."""

    address: int
    nbytes: int
    changed: float


Range = tuple[int, int]
"""Address and size, both whole pages."""


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


def affordable(bare_fork: float, capture: float, bytes_per_second: float) -> int:
    """How many bytes may be staged for a stop to stay short, from what a bare fork and the capture take, in seconds."""
    left = STAGING_SECONDS + STAGING_FORK_SHARE * bare_fork - capture
    return max(int(left * bytes_per_second), 0)


def _hot(one: Found, page: int) -> Range | None:
    """The whole pages of a buffer that is expected to be rewritten; None for another, or where few would be left."""
    if one.changed < HOT_SHARE:
        return None
    start = -(-one.address // page) * page
    size = (one.address + one.nbytes) // page * page - start
    return (start, size) if size >= STAGED_BYTES_MIN else None


def arena_size(wanted: int, current: int, limit: int, page: int) -> int:
    """How large the arena should be: kept while it does and is not mostly unused, since a new one cannot be used at
    once; a new one with room to grow.
    """
    if wanted <= current <= min(ARENA_SHARE_MAX * wanted, limit):
        return current
    return min(wanted + wanted // (4 * page) * page, limit)
