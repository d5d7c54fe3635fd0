"""Every invariant of a store, by name: what `verify` says, and what tests call after each fault they make.

Nothing is unpickled. What is found is a list of `Damage`, each naming the invariant, the pack and the restore points
that suffer; nothing found means that each byte that matters was read and is what was written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from forkpoint import errors
from forkpoint.journal import connection, disk, holders, lease, packfile, quarantine, seal
from forkpoint.journal.home import Home
from forkpoint.journal.points import Damage, Point
from forkpoint.journal.reader import Reader
from forkpoint.journal.rebuild import rolled_back

INVARIANTS = (
    "the journal can be read",
    "the journal reaches its anchor",
    "the journal is no older than its anchor",
    "the anchor is as written",
    "SQLite finds its file whole",
    "every run's row is sealed",
    "every gap is sealed",
    "every plan is sealed",
    "every commit's chain tag holds",
    "every commit follows the one before",
    "every pack the journal names is there",
    "every byte of a pack is as written",
    "every chunk is as written",
    "a restore point's packs are as written",
)


EVERYTHING = "everything"
"""What a restore point loses with its manifest."""


class Verified(NamedTuple):
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
        packs = sorted({pack for point in points for pack in point.packs})
        return examine(reader, points, {pack: packfile.survey(home, pack) for pack in packs}, whole=reference is None)


def examine(reader: Reader, points: tuple[Point, ...], surveys: holders.Surveys, *, whole: bool) -> Verified:
    """What is wrong with the journal and these points, whose packs were surveyed; `whole`: with all the rest too."""
    home = reader.home
    damages = [*reader.damages, *_anchor(reader), *_rollback(reader), *_sqlite(reader), *_chain(reader)]
    damages += _records(reader, points, surveys)
    notes = [] if reader.anchored else ["no anchor on this machine vouches for the age of this store"]
    if whole:
        notes += [*_unnamed(home, reader), *quarantine.notes(home, {point.id for point in points})]
    packs = tuple(sorted({pack for point in points for pack in point.packs}))
    size = sum(max(surveys[pack].size, 0) for pack in packs)
    return Verified(tuple(damages), points, packs, size, tuple(notes))


def _anchor(reader: Reader) -> list[Damage]:
    """A file that is there and cannot be believed; none at all is what a copy has."""
    if reader.anchored or not disk.lexists(reader.home.anchor_path):
        return []
    return [Damage("the anchor is as written", f"{reader.home.anchor_path} is damaged, or another store's")]


def _rollback(reader: Reader) -> list[Damage]:
    if reader.noted is None or not reader.rolled_back:
        return []
    said = str(rolled_back(reader.noted))
    return [Damage("the journal is no older than its anchor", said, None, (reader.noted.point,))]


def _sqlite(reader: Reader) -> list[Damage]:
    try:
        with connection.reading(reader.home, locked=reader.locked) as db:
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


def _records(reader: Reader, points: tuple[Point, ...], surveys: holders.Surveys) -> list[Damage]:
    """Every record that is not whole, by the restore points and variables that it hurts."""
    damages, needs, told = [], {}, {}
    whole = {name: survey.whole for name, survey in surveys.items()}
    for point in points:
        try:
            needs[point.id] = holders.holders(reader, point, surveys)
        except errors.IntegrityError as error:
            damages.append(
                Damage(
                    "a restore point's packs are as written", str(error), point.pack, (point.id,), None, (EVERYTHING,)
                )
            )
    for pack, survey in surveys.items():
        users = [point for point in points if pack in point.packs]
        for text, chunk in survey.problems:
            using = [point for point in users if chunk in needs.get(point.id, ()) or _rests_on(point, pack, survey)]
            hurt = {point.id: needs.get(point.id, {}).get(chunk or b"", ()) for point in using}
            told.update({(point, chunk): True for point in hurt})
            invariant = (
                "every pack the journal names is there" if survey.size < 0
                else "every chunk is as written" if any(hurt.values())
                else "every byte of a pack is as written"
            )  # fmt: skip
            damages.append(
                Damage(
                    invariant, text, pack, tuple(hurt), chunk.hex()[:16] if chunk else None, all_names(hurt.values())
                )
            )
    for point in points:
        missing = holders.missing(needs.get(point.id, {}), point, whole)
        untold = {chunk: names for chunk, names in missing.items() if (point.id, chunk) not in told}
        if untold:
            detail = f"{len(untold)} chunks of restore point {point.id} are in none of its packs"
            suffering = (point.id,)
            damages.append(
                Damage(
                    "a restore point's packs are as written", detail, None, suffering, None, all_names(untold.values())
                )
            )
    return damages


def _rests_on(point: Point, pack: str, survey: packfile.Survey) -> bool:
    """Whether any damage to this pack is one to the restore point: it is its own, or there is nothing left of it."""
    return point.pack == pack or survey.size < 0


def all_names(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Each name once."""
    return tuple(dict.fromkeys(name for some in names for name in some))


def _unnamed(home: Home, reader: Reader) -> list[str]:
    named = {pack for point in reader.points() for pack in point.packs} | reader.condemned
    unnamed = [pack for pack in packfile.all_packs(home) if pack not in named]
    alive = any(lease.is_alive(home, run.id) for run in reader.runs())
    return [f"{len(unnamed)} packs belong to no restore point; forgetting sweeps them"] if unnamed and not alive else []
