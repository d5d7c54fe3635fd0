"""Polars' random generator, from which `sample` and `shuffle` without a seed draw: found in memory, by its seed.

Nobody can read it, and `set_random_seed` sets a beginning alone. It is a static of the library (polars-core's
random.rs): the bytes of its writable data that differ for two seeds, and are the same again for the first one. Seeding
is done in the child, and in a restored process, which is given the numbers afterwards.
"""

from __future__ import annotations

from typing import Final

import polars

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused

_SEEDS: Final = (1_789_355_281, 640_001)
_STATE_BYTES: Final = range(16, 65)
"""What a small generator is long: 32 bytes for xoshiro256++, of which by chance the outer ones may be equal."""

_LINE_BYTES: Final = 256

_set_seed: Final = polars.set_random_seed


def _data() -> list[range]:
    """Where the writable data of the library lies, what the file gives and what follows it."""
    found: list[range] = []
    of_library = False
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            span, access, _, _, _, *path = line.split(None, 5)
            name = path[0].strip().rpartition("/")[2] if path else ""
            of_library = ("polars" in name and ".so" in name) or (of_library and not name)
            if of_library and access == "rw-p":
                low, _, high = span.partition("-")
                found.append(range(int(low, 16), int(high, 16)))
    return found


def _seeded(places: list[range], seed: int) -> list[bytes]:
    _set_seed(seed)
    return _read(places)


def _read(places: list[range]) -> list[bytes]:
    return [_native.memory_read(place.start, len(place)) for place in places]


def _of_seeds(images: list[list[bytes]], places: list[range]) -> set[int]:
    """The addresses of bytes that go with the seed; others may change by themselves, where there are other threads."""
    return {
        place.start + at
        for place, first, second, third, fourth in zip(places, *images, strict=True)
        if first != second
        for line in range(0, len(first), _LINE_BYTES)
        if first[line : line + _LINE_BYTES] != second[line : line + _LINE_BYTES]
        for at in range(line, min(line + _LINE_BYTES, len(first)))
        if first[at] == third[at] != second[at] == fourth[at]
    }


def _located() -> tuple[range, bytes]:
    """Where the generator lies, and what it held before: zeros, if nobody has used it. Seeds it anew."""
    places = _data()
    before = _read(places)
    found = _of_seeds([_seeded(places, seed) for seed in _SEEDS * 2], places)
    low, high = (min(found) & ~7, (max(found) & ~7) + 8) if found else (0, 0)
    if high - low not in _STATE_BYTES:
        raise Refused("polars' random generator is not where it is known to be")
    at = next(at for at, place in enumerate(places) if low in place)
    start = low - places[at].start
    return range(low, high), before[at][start : start + high - low]


class _Random(Quiet):
    name = "polars_random"
    module = "polars"

    def capture(self, before: None) -> bytes | None:
        state = _located()[1]
        return state if any(state) else None

    def restore(self, state: bytes | None) -> None:
        if state is not None:
            place = _located()[0]
            if len(place) != len(state):
                raise Refused("polars' random generator is another one")
            _native.memory_write(place.start, state)


ADAPTER = _Random()
