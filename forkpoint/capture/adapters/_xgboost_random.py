"""Where XGBoost before 3.3 keeps its random generators, which it neither shows nor saves: found in memory, by proof.

There is one for each thread, from which rows are sampled, and one in each booster that has begun to train, from which
columns are (src/common/random.h of 3.2; since 3.3 a booster saves its own with its configuration). Both are a
`std::mt19937` on the heap: 624 words and an index. A scratch booster with a known seed shows where the first lies, and
in its training what stands beside the second. A place is believed only where all 625 numbers are as they must be.
"""

from __future__ import annotations

import ctypes  # noqa: TID251 - generators are put back where XGBoost has them; found and checked word by word
import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xgboost as xgb

from forkpoint import _native

_WORDS: Final = 624
_ENGINE_BYTES: Final = 8 * (_WORDS + 1)
_ARENA_BYTES: Final = 64 << 20
"""Heaps of threads begin at multiples of this (HEAP_MAX_SIZE, malloc/arena.c of glibc)."""
_PICTURE_BYTES_MAX: Final = 4 << 30
_HEADER_WORDS_MAX: Final = 64
_SEED: Final = 1_789_355_281


class NotFoundHere(Exception):
    """The generators are not where they are looked for."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`rows`: address of this thread's generator. A booster's own is followed by the address of its context, which is
    `context` bytes behind its handle, and is `header` words behind the counts of a `shared_ptr`, of type `vtable`.
    """

    rows: int
    context: int
    header: int
    vtable: int


class Picture:
    """The heap as it is now, read past any allocation of ours: addresses and 64-bit words."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, Any]] = []
        regions = list(_heaps())
        if sum(high - low for low, high in regions) > _PICTURE_BYTES_MAX:
            raise NotFoundHere("the heap is too large to be looked through")
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            for low, high in regions:
                held = mmap.mmap(-1, high - low, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
                with suppress(OSError):  # most of the time goes into making pages; not every kernel has large ones
                    held.madvise(mmap.MADV_HUGEPAGE)
                got = os.preadv(memory.fileno(), [held], low)
                self.parts.append((low, np.frombuffer(held, np.uint64, got // 8)))

    def words(self, address: int, count: int) -> Any:
        """`count` words at an address; None where that is not on the heap."""
        for low, part in self.parts:
            start = (address - low) // 8
            if start >= 0 and start + count <= len(part):
                return part[start : start + count]
        return None

    def seeded(self, seed: int) -> int:
        """The address of the one generator that has been seeded so, and not been used since."""
        wanted = _seeded(seed)
        found = [
            low + 8 * int(place)
            for low, part in self.parts
            for place in np.flatnonzero(part[: -_WORDS - 1] == wanted[0])
            if part[place + _WORDS] == _WORDS and (part[place : place + _WORDS] == wanted).all()
        ]
        if len(found) != 1:
            raise NotFoundHere(f"{len(found)} places hold what a new generator holds")
        return found[0]

    def places_of(self, value: int) -> Iterator[int]:
        """Addresses of all words of this value."""
        for low, part in self.parts:
            yield from (low + 8 * int(place) for place in np.flatnonzero(part == value))


def _heaps() -> Iterator[tuple[int, int]]:
    """The heaps of the C library, in pieces where some of a heap is a staged copy in a child."""
    end = 0
    with open("/proc/self/maps") as maps:
        for line in maps:
            place, access, _, _, _, *name = line.split()
            low, high = (int(number, 16) for number in place.split("-"))
            plain = access == "rw-p" or _native.is_staged(low)
            if plain and (name == ["[heap]"] or low == end or (not name and low % _ARENA_BYTES == 0)):
                end = high
                yield low, high


def is_engine(words: Any) -> bool:
    """Whether 625 words can be a `std::mt19937` between two draws."""
    state = words[:_WORDS]
    return bool(0 < words[_WORDS] <= _WORDS and (state < 1 << 32).all() and len(np.unique(state)) > _WORDS // 2)


def _seeded(seed: int) -> Any:
    """The words of a generator with this seed (as 32-bit numbers: this copy must not look like a generator)."""
    state = [seed]
    for place in range(1, _WORDS):
        state.append((1_812_433_253 * (state[-1] ^ state[-1] >> 30) + place) & 0xFFFFFFFF)
    return np.array(state, np.uint32)


def _first_draw(seed: int) -> int:
    """What such a generator gives first; numpy has the same one."""
    generator: Any = np.random.MT19937()
    generator.state = {"bit_generator": "MT19937", "state": {"key": _seeded(seed), "pos": _WORDS}}
    return int(generator.random_raw())


def look() -> Layout:
    """Find out where the generators lie. Seeds this thread's anew. Raises NotFoundHere."""
    data = xgb.DMatrix(np.zeros((2, 1), np.float32), label=np.zeros(2), nthread=1)
    scratch = xgb.Booster({"seed": _SEED, "nthread": 1, "tree_method": "hist", "verbosity": 0}, [data])
    scratch.save_config()
    rows = Picture().seeded(_SEED)
    scratch.update(data, 0)
    after = Picture()
    columns = after.seeded(_first_draw(_SEED))
    context = int(after.words(columns + _ENGINE_BYTES, 1)[0]) - scratch.handle.value
    header = after.words(columns - 8 * _HEADER_WORDS_MAX, _HEADER_WORDS_MAX)
    if not 0 < context < mmap.PAGESIZE or header is None:
        raise NotFoundHere("a booster's generator is not beside its context")
    library = _library()
    for back in range(2, _HEADER_WORDS_MAX):
        vtable, counts = int(header[-back]), int(header[-back + 1])
        if vtable in library and counts >> 32 == 1 and 0 < counts & 0xFFFFFFFF < 16:
            return Layout(rows, context, back, vtable)
    raise NotFoundHere("a booster's generator is not in the care of a shared_ptr")


def _library() -> range:
    """The addresses of XGBoost's library."""
    with open("/proc/self/maps") as maps:
        places = [line.split()[0].split("-") for line in maps if "libxgboost" in line]
    if not places:
        raise NotFoundHere("the library is not mapped")
    return range(int(places[0][0], 16), int(places[-1][1], 16))


def of_booster(handle: int, layout: Layout, picture: Picture) -> int | None:
    """The address of the generator of a booster; None if it has none. Raises NotFoundHere where there are several."""
    behind = picture.places_of(handle + layout.context)
    found = [
        address
        for address in (place - _ENGINE_BYTES for place in behind)
        if read(address, picture) is not None
        and _word(picture, address - 8 * layout.header) == layout.vtable
        and _word(picture, address - 8 * layout.header + 8) & 0xFFFFFFFF
        and next(picture.places_of(address - 8 * layout.header), None) is not None
    ]
    if len(found) > 1:
        raise NotFoundHere("a booster with several generators")
    return found[0] if found else None


def _word(picture: Picture, address: int) -> int:
    words = picture.words(address, 1)
    return 0 if words is None else int(words[0])


def read(address: int, picture: Picture) -> bytes | None:
    """The generator at an address; None if none has been made there yet."""
    words = picture.words(address, _WORDS + 1)
    return bytes(words.tobytes()) if words is not None and is_engine(words) else None


def write(address: int, state: bytes) -> None:
    """Put a generator back at an address where `look` or `of_booster` have just found one."""
    assert len(state) == _ENGINE_BYTES
    ctypes.memmove(address, state, _ENGINE_BYTES)
