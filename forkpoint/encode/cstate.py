"""State that C code keeps behind an object and shows nobody (a hash, a compressor), carried by difference.

Compared with a fresh object of the same kind in the same process: addresses that are equal stay the new process's own,
so that pointers to functions and tables of the library are never carried. Of the other words, those that point into the
object's own blocks are carried as (block, offset), those into the library's own image as (file, offset), and the rest
as they are, unless they look like an address of anything else: those stay the fresh object's, too. A second copy of the
object tells addresses from data: its blocks lie elsewhere. Whether all that matters was carried is not known here:
whoever calls this proves what it made by using it up.

Only for 64-bit glibc, whose malloc shows how large a block is; anything else is refused by `Opaque`.
"""

from __future__ import annotations

import bisect
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import blake3

from forkpoint import _native
from forkpoint.encode.reducers import Context

_WORD: Final = 8
_SLACK_BYTES: Final = 32
"""Blocks of the same size asked for may differ by what malloc would not split off."""
_LOW: Final = 0xFFFF_FFFF
_SMALL: Final = 1 << 16
"""No address has less than this in its low half: nothing is mapped at the very beginning of 4 GiB, or hardly ever."""
_PAGE_BYTES: Final = 4096
_LARGE_BYTES: Final = 100_000
"""From here on malloc may map a block by itself, in whole pages."""


class Opaque(Exception):
    """The state cannot be carried; says why."""


class Shape(NamedTuple):
    """Where a type keeps it. `windows`: (offset, size) in the object that belong to it. `tables_bytes`: blocks larger
    than that are tables of numbers, with no address in them. `libraries`: what the names of the files begin with whose
    code it belongs to. `plain`: the windows hold numbers alone."""

    windows: tuple[tuple[int, int], ...]
    tables_bytes: int
    libraries: tuple[str, ...]
    plain: bool = False
    own_only: bool = False


@dataclass(slots=True)
class _Block:
    parent: int
    offset: int
    size: int
    address: int
    twin: int
    fresh: int
    other: int


State = tuple[Any, ...]
"""(identity of the libraries, blocks, runs of bytes, links, addresses in libraries): what `put` takes, picklable."""


def _mappings() -> Iterator[tuple[int, int, str]]:
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            span, _, _, _, _, *path = line.rstrip("\n").split(None, 5)
            start, end = (int(bound, 16) for bound in span.split("-"))
            yield start, end, path[0] if path and not _native.is_staged(start) else ""


@functools.cache
def _bases(libraries: tuple[str, ...]) -> dict[str, int]:
    """Where the files with the code are mapped, by name; the interpreter's own may have it built in."""
    found: dict[str, int] = {}
    for start, _, path in _mappings():
        name = os.path.basename(path)
        if path.startswith("/") and name.startswith((*libraries, "python", "libpython")):
            found.setdefault(name, start)
    return found


@functools.cache
def identity(libraries: tuple[str, ...]) -> str:
    """Equal only where the same builds of these libraries are loaded: their first pages have their build ids."""
    digest = blake3.blake3()
    for name, base in sorted(_bases(libraries).items()):
        digest.update(name.encode() + _native.memory_read(base, _PAGE_BYTES))
    return str(digest.hexdigest())


def _near(one: int, other: int) -> bool:
    slack = _PAGE_BYTES + _SLACK_BYTES if min(one, other) > _LARGE_BYTES else _SLACK_BYTES
    return bool(one and other) and abs(one - other) <= slack


def _words(address: int, size: int) -> memoryview:
    return memoryview(_native.memory_read(address, size - size % _WORD)).cast("Q")


class _Taking:
    """One object being compared with a twin (a copy of it) and two fresh ones."""

    def __init__(self, obj: Any, twin: Any, fresh: Any, other: Any, shape: Shape) -> None:
        size = type(obj).__basicsize__
        self.shape = shape
        self.blocks = [_Block(-1, 0, size, id(obj), id(twin), id(fresh), id(other))]
        self.runs: list[tuple[int, int, bytes]] = []
        self.links: list[tuple[int, int, int, int]] = []
        self.statics: list[tuple[int, int, str, int]] = []
        self._mapped = sorted(_mappings())
        self._starts = [start for start, _, _ in self._mapped]
        self._bases = {name: at for name, at in _bases(shape.libraries).items() if name.startswith(shape.libraries)}

    def all(self) -> None:
        for number, block in enumerate(self.blocks):  # grows meanwhile
            if number and block.size > self.shape.tables_bytes:
                self.runs.append((number, 0, _native.memory_read(block.address, block.size)))
            else:
                self._compare(number, block)

    def _compare(self, number: int, block: _Block) -> None:
        own = _words(block.address, block.size)
        twin, fresh, other = (_words(at, block.size) for at in (block.twin, block.fresh, block.other))
        places = range(len(own))
        if not number:
            windows = self.shape.windows
            places = [at for at in places if any(start <= at * _WORD < start + size for start, size in windows)]  # type: ignore[assignment]
        if self.shape.plain:
            self.runs += [(number, at * _WORD, own[at].to_bytes(_WORD, "little")) for at in places]
            return
        # A number is carried even if the fresh one has it: there it may be what was in that memory before.
        differing = [at for at in places if own[at] != fresh[at] or self._region(own[at]) is None]
        for at in differing:
            if own[at] != fresh[at]:
                self._discover(number, at * _WORD, [own[at], twin[at], fresh[at], other[at]])
        for at in differing:
            self._classify(number, at * _WORD, own[at], twin[at])

    def _inside(self, word: int) -> tuple[int, int] | None:
        for number, block in enumerate(self.blocks):
            if block.address <= word < block.address + block.size:
                return number, word - block.address
        return None

    def _discover(self, number: int, offset: int, words: list[int]) -> None:
        """A block of its own, if all four have one in this place, each another. What malloc left may look like one."""
        sizes = [_native.heap_size(word) for word in words]
        if self._inside(words[0]) is not None or len(set(words)) < len(words) or not all(sizes):
            return
        if not all(_near(size, sizes[0]) for size in sizes):
            raise Opaque("a fresh object has blocks of other sizes")
        self.blocks.append(_Block(number, offset, min(sizes), *words))

    def _classify(self, number: int, offset: int, own: int, twin: int) -> None:
        inside = self._inside(own)
        if inside is not None and twin == self.blocks[inside[0]].twin + inside[1]:
            self.links.append((number, offset, *inside))
            return
        region = self._region(own)
        if (
            (region is not None or own != twin)
            and region not in self._bases
            and own & _LOW == twin & _LOW
            and own & _LOW < _SMALL
        ):
            # A number of 4 bytes, and beside it what was there before.
            self.runs.append((number, offset, (own & _LOW).to_bytes(_WORD // 2, "little")))
        elif own == twin and region is None:
            self.runs.append((number, offset, own.to_bytes(_WORD, "little")))
        elif own == twin and region in self._bases:
            self.statics.append((number, offset, str(region), own - self._bases[str(region)]))
        # Anything else is not carried: the address of what is not its own, or what was in that memory before.

    def _region(self, word: int) -> str | None:
        """The name of the mapped file, or "", where there is memory at that address."""
        at = bisect.bisect_right(self._starts, word) - 1
        if at < 0 or word >= self._mapped[at][1]:
            return None
        name = os.path.basename(self._mapped[at][2])
        return name if name in self._bases or not self.shape.own_only else None


def _joined(runs: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Words side by side as one run."""
    joined: list[tuple[int, int, bytearray]] = []
    for block, offset, content in runs:
        if joined and joined[-1][0] == block and joined[-1][1] + len(joined[-1][2]) == offset:
            joined[-1][2].extend(content)
        else:
            joined.append((block, offset, bytearray(content)))
    return [(block, offset, bytes(content)) for block, offset, content in joined]


def take(obj: Any, twin: Any, fresh: Any, other: Any, shape: Shape) -> State:
    """What makes of another fresh object one like `obj`. `twin`: a copy of it; `fresh`, `other`: two fresh ones.

    Raises Opaque, and OSError where memory is not what it should be.
    """
    taking = _Taking(obj, twin, fresh, other, shape)
    taking.all()
    blocks = [(block.parent, block.offset, block.size) for block in taking.blocks]
    return identity(shape.libraries), blocks, _joined(taking.runs), taking.links, taking.statics


def stored(state: State, context: Context) -> State:
    """The same with its tables as buffers, which are compressed and not stored twice."""
    name, blocks, runs, links, statics = state
    return name, blocks, [(*run[:2], context.buffer(memoryview(run[2]))) for run in runs], links, statics


def loaded(state: State) -> State:
    """What `stored` was given."""
    name, blocks, runs, links, statics = state
    return name, blocks, [(*run[:2], _content(run[2])) for run in runs], links, statics


def _content(source: Any) -> bytes:
    content = bytearray(source.nbytes)
    source.readinto(memoryview(content))
    return bytes(content)


def put(target: Any, shape: Shape, state: State) -> None:
    """Make a fresh object like the one that `state` was taken of. Raises Opaque, before anything was changed, where
    another build of the library is loaded; OSError where memory is not what it should be: then it is of no use.
    """
    name, blocks, runs, links, statics = state
    if identity(shape.libraries) != name:
        raise Opaque("another build of its library is loaded here")
    bases = _bases(shape.libraries)
    places = [(id(target), type(target).__basicsize__)]
    for parent, offset, size in blocks[1:]:
        address = _words(places[parent][0] + offset, _WORD)[0]
        found = _native.heap_size(address)
        if not _near(found, size):
            raise Opaque("a fresh object has blocks of other sizes")
        places.append((address, found))
    words = [(block, offset, places[other][0] + delta) for block, offset, other, delta in links]
    words += [(block, offset, bases[library] + delta) for block, offset, library, delta in statics]
    runs = [*runs, *((block, offset, word.to_bytes(_WORD, "little")) for block, offset, word in words)]
    for block, offset, content in runs:
        address, size = places[block]  # malloc may have given less here, all of what was asked for though
        _native.memory_write(address + offset, content[: max(size - offset, 0)])
