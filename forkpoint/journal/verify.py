"""Every invariant of a store, by name: what `verify` says, and what tests call after each fault they make.

Nothing is unpickled. What is found is a list of `Damage`, each naming the invariant, the pack and the restore points
that suffer; nothing found means that each byte that matters was read and is what was written.
"""

from __future__ import annotations

import dataclasses

from forkpoint import errors
from forkpoint.journal import connection, lease, pack_place, packfile, seal
from forkpoint.journal.home import Home
from forkpoint.journal.points import Damage, Point
from forkpoint.journal.reader import Reader
from forkpoint.journal.rebuild import rolled_back

INVARIANTS = (
    "the journal can be read",
    "the journal reaches its anchor",
    "the journal is no older than its anchor",
    "SQLite finds its file whole",
    "every run's row is sealed",
    "every gap is sealed",
    "every commit's chain tag holds",
    "every commit follows the one before",
    "every pack the journal names is there",
    "every byte of a pack is as written",
    "every chunk is as written",
    "a restore point's packs are as written",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at and what was wrong. `notes` are facts worth saying that are no damage."""

    damages: tuple[Damage, ...]
    points: tuple[Point, ...]
    packs: tuple[str, ...]
    bytes: int
    notes: tuple[str, ...]

    @property
    def sound_points(self) -> tuple[Point, ...]:
        """Those that no damage touches."""
        suffering = {point for damage in self.damages for point in damage.points}
        return tuple(point for point in self.points if point.id not in suffering)


def verify(home: Home, reference: str | None = None) -> Verified:
    """Check the whole store, or one restore point and the journal. Raises only what `open_home` and REF raise."""
    with Reader(home, accept_rollback=True) as reader:
        points = (reader.resolve(reference),) if reference else reader.points()
        damages = [*reader.damages, *_rollback(reader), *_sqlite(home), *_chain(reader)]
        packs = sorted({pack for point in points for pack in point.packs})
        damages += _packs(home, packs, points)
        for point in points:
            damages += _resolvable(reader, point, damages)
        notes = [] if reader.anchored else ["no anchor on this machine vouches for the age of this store"]
        notes += _unnamed(home, reader) if reference is None else []
    size = sum(pack_place.size(home, pack) or 0 for pack in packs)
    return Verified(tuple(damages), points, tuple(packs), size, tuple(notes))


def _rollback(reader: Reader) -> list[Damage]:
    if reader.noted is None or not reader.rolled_back:
        return []
    said = str(rolled_back(reader.noted))
    return [Damage("the journal is no older than its anchor", said, None, (reader.noted.point,))]


def _sqlite(home: Home) -> list[Damage]:
    try:
        with connection.reading(home) as db:
            said = [] if db is None else [row[0] for row in db.execute("PRAGMA integrity_check(5)")]
    except connection.DatabaseError as error:
        said = [str(error)]
    return [Damage("SQLite finds its file whole", f"journal.db: {text}") for text in said if text != "ok"]


def _chain(reader: Reader) -> list[Damage]:
    """Numbers follow each other, each with the tag of the one before; sealed gaps stand where some were forgotten."""
    last = {last: tag for _first, last, tag in reader.gaps}
    covered = [(first, end) for first, end, _tag in reader.gaps]
    named = {point.number: point.id for point in reader.points()}
    damages = []
    for number in sorted(reader.tags):
        if number == 1:
            expected: bytes | None = bytes(seal.TAG_BYTES)
        elif number - 1 in reader.tags:
            expected = reader.tags[number - 1][1]
        else:
            expected = last.get(number - 1)
        if expected is None or not seal.same(expected, reader.tags[number][0]):
            detail = f"commit {number} does not follow commit {number - 1}, or that one is missing"
            suffering = (named[number],) if expected is not None else ()
            damages.append(Damage("every commit follows the one before", detail, None, suffering))
    head = max(reader.tags, default=0)
    missing = [
        number
        for number in range(1, head)
        if number not in reader.tags and not any(first <= number <= end for first, end in covered)
    ]
    return damages + [
        Damage("every commit follows the one before", f"commit {number} is missing") for number in missing
    ]


def _packs(home: Home, packs: list[str], points: tuple[Point, ...]) -> list[Damage]:
    damages = []
    for pack in packs:
        suffering = tuple(point.id for point in points if pack in point.packs)
        try:
            with packfile.PackFile(home, pack) as file:
                problems = file.check()
            invariant = "every byte of a pack is as written"
        except errors.IntegrityError as error:
            problems, invariant = [str(error)], "every pack the journal names is there"
        damages += [Damage(invariant, text, pack, suffering) for text in problems]
    return damages


def _resolvable(reader: Reader, point: Point, found: list[Damage]) -> list[Damage]:
    """That each chunk of its manifest lies in one of its packs, unless a pack of its is damaged anyway."""
    if any(point.id in damage.points for damage in found):
        return []
    try:
        reader.plan(point)
    except errors.IntegrityError as error:
        return [Damage("a restore point's packs are as written", str(error), point.pack, (point.id,))]
    return []


def _unnamed(home: Home, reader: Reader) -> list[str]:
    named = {pack for point in reader.points() for pack in point.packs} | reader.condemned
    unnamed = [pack for pack in packfile.all_packs(home) if pack not in named]
    alive = any(lease.is_alive(home, run.id) for run in reader.runs())
    return [f"{len(unnamed)} packs belong to no restore point; forgetting sweeps them"] if unnamed and not alive else []
