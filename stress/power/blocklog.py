"""What a disk's log says a power cut may leave: all writes before the last completed flush, any part of those since."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from power.disk import EVENT, FLUSH, NOTE, WRITE

SECTOR = 512
_PAGE = 4096
_WHOLE = (b"XFSB", b"XDB3", b"XDD3", b"XDF3", b"AB3B", b"AB3C", b"BMA3", b"IAB3", b"FIB3")
"""How XFS's blocks begin that have one checksum over several sectors and no copy elsewhere: xfs itself does not survive
their being torn, nor ext4 that of its superblock, so that there would be no store to look at. These are written whole.
"""

_CHUNK = 1 << 16
"""Images are copied in pieces of this size, without those that were never written."""


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    kind: bytes
    offset: int
    data: memoryview


def read(path: Path) -> list[Event]:
    raw = memoryview(path.read_bytes())
    events, at = [], 0
    while at < len(raw):
        kind, offset, length = EVENT.unpack_from(raw, at)
        at += EVENT.size
        events.append(Event(kind, offset, raw[at : at + length]))
        at += length
    return events


def said(event: Event) -> dict[str, Any] | None:
    """The note in an event, if it is one of the writer's."""
    if event.kind != NOTE or event.data[:1] != b"{":
        return None
    return dict(json.loads(bytes(event.data)))


class Bytes:
    """The content of a disk."""

    def __init__(self, base: bytes) -> None:
        self.data = bytearray(base)
        self.used = {at for at in range(0, len(base), _CHUNK) if any(base[at : at + _CHUNK])}

    def write(self, offset: int, data: bytes | memoryview) -> None:
        self.data[offset : offset + len(data)] = data
        first = offset - offset % _CHUNK
        self.used.update(range(first, offset + len(data), _CHUNK))

    def store(self, file: int) -> None:
        """Into a file, which has then nothing else in it."""
        os.ftruncate(file, 0)
        os.ftruncate(file, len(self.data))
        view = memoryview(self.data)
        for at in self.used:
            os.pwrite(file, view[at : at + _CHUNK], at)


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """One power cut: after `at` events, with these pieces of what was written since the last flush."""

    at: int
    how: str
    pieces: tuple[tuple[int, memoryview], ...]


def _torn(event: Event) -> Iterator[tuple[int, memoryview]]:
    """The parts of a write that reach the disk or not, each by itself."""
    for at in range(0, len(event.data), _PAGE):
        page = event.data[at : at + _PAGE]
        whole = event.offset + at == 0 or bytes(page[:4]) in _WHOLE
        size = _PAGE if whole else SECTOR
        for within in range(0, len(page), size):
            yield event.offset + at + within, page[within : within + size]


def survivors(since: list[Event], chance: random.Random) -> tuple[str, list[tuple[int, memoryview]]]:
    """(how it was chosen, which parts of these writes reached the disk)."""
    how = chance.choice(["all", "none", "reordered", "reordered", "torn", "torn"])
    if how in ("all", "none"):
        return how, [(event.offset, event.data) for event in since if how == "all"]
    likely = chance.choice([0.2, 0.5, 0.8, 0.95])
    pieces: list[tuple[int, memoryview]] = []
    for event in since:
        if how == "torn" and chance.random() < 0.5:
            pieces += [piece for piece in _torn(event) if chance.random() < likely]
        elif chance.random() < likely:
            pieces.append((event.offset, event.data))
    return how, pieces


def places(events: list[Event], count: int, chance: random.Random) -> list[int]:
    """Where to cut: anywhere, but more often where something was said or flushed, since that is where promises are."""
    edges = [at + step for at, event in enumerate(events, 1) if event.kind != WRITE for step in (-1, 0, 1)]
    return sorted(
        min(max(chance.choice(edges) if chance.random() < 0.4 else chance.randint(1, len(events)), 1), len(events))
        for _ in range(count)
    )


def cuts(base: bytes, events: list[Event], at: list[int], chance: random.Random) -> Iterator[tuple[Cut, Bytes]]:
    """Each cut with the disk as it is before the pieces; apply them to a copy. `at` ascends."""
    disk = Bytes(base)
    since: list[Event] = []
    done = 0
    for place in at:
        for event in events[done:place]:
            if event.kind == FLUSH:
                for write in since:
                    disk.write(write.offset, write.data)
                since = []
            elif event.kind == WRITE:
                since.append(event)
        done = place
        how, pieces = survivors(since, chance)
        yield Cut(place, how, tuple(pieces)), disk


def image(disk: Bytes, cut: Cut, file: int) -> None:
    """The disk after this cut, in a file."""
    disk.store(file)
    for offset, data in cut.pieces:
        os.pwrite(file, data, offset)
