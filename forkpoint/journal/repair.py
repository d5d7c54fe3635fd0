"""A damaged store made good: what is whole goes on, what is damaged is put aside, nothing is deleted.

Under writer.lock, while no run is alive and nobody reads. Every byte of every pack is looked at first. Then, in an
order in which dying anywhere leaves a store that the next repair finishes:

1. The report of what is lost goes to the quarantine, durably.
2. Each damaged pack is linked there, then replaced by one of the same id that has the whole records of it, and those
   that are whole in another pack; one that has none is moved. Restore points name packs, so other points go on.
3. The anchor is taken away: from here on the store counts as a copy, of which unnamed packs are believed.
4. A journal of the restore points that are left takes the place of the old one, which is put aside.
5. The anchor is written for it.

An older store put back looks like one that has lost its end; it is refused unless the loss is accepted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Mapping
from typing import Any, NamedTuple

from forkpoint import errors, faultpoints
from forkpoint.journal import (
    anchor,
    columns,
    connection,
    disk,
    handover,
    holders,
    known,
    lease,
    pack,
    pack_place,
    packfile,
    quarantine,
    record,
    rows,
    verify,
)
from forkpoint.journal.home import Home, new_id
from forkpoint.journal.points import Damage, Point
from forkpoint.journal.reader import Reader


class Lost(NamedTuple):
    """A restore point that is not whole any more, and the variables whose bytes are damaged."""

    id: str
    reference: str
    variables: tuple[str, ...]


class Repaired(NamedTuple):
    """What was damaged and what became of it; `quarantine` is a path in the store, None where nothing was done.

    `rewritten` packs are those put aside that have a successor; `recovered` points had been lost by the journal.
    """

    damages: tuple[Damage, ...]
    points: tuple[str, ...]
    recovered: tuple[str, ...]
    lost: tuple[Lost, ...]
    packs: tuple[str, ...]
    rewritten: tuple[str, ...]
    quarantine: str | None


class _Findings(NamedTuple):
    """Everything that is decided before anything is changed."""

    reader: Reader
    damages: tuple[Damage, ...]
    kept: tuple[Point, ...]
    lost: tuple[Lost, ...]
    contents: Mapping[str, Mapping[bytes, tuple[str, tuple[int, int, int]]]]
    """For each damaged pack, its records to be: id -> (pack that has it whole, entry)."""


def repair(home: Home, *, accept_rollback: bool = False, dry_run: bool = False) -> Repaired:
    """Make the store good. Raises `Locked` while it is used, `IntegrityError` for a store older than its anchor."""
    with home.writer_lock(), connection.errors_in_words(home):
        lease.require_unused(home)
        if not dry_run:
            _sync_names(home)
        with Reader(home, accept_rollback=accept_rollback, locked=True) as reader:
            found = _look(reader)
            place = None
            if (found.damages or found.contents) and not dry_run:
                with quarantine.opened(home, {"lost": [_plain(lost) for lost in found.lost]}) as (place, aside):
                    faultpoints.reach("repair.reported")
                    _put_packs_aside(home, found, aside)
                    faultpoints.reach("repair.packs-aside")
                    _write_journal(home, found, aside)
    return Repaired(
        found.damages,
        tuple(point.id for point in found.kept),
        tuple(point.id for point in found.kept if point.recovered),
        found.lost,
        tuple(found.contents),
        tuple(name for name, records in found.contents.items() if records),
        place,
    )


def _plain(lost: Lost) -> dict[str, Any]:
    return {"id": lost.id, "ref": lost.reference, "variables": list(lost.variables)}


def _sync_names(home: Home) -> None:
    """A pack that another repair put in the place of a damaged one, but whose directory it could not sync, looks sound
    until the power fails: then the damaged one is back.
    """
    with home.held("packs") as packs:
        for group in (name for name in disk.listdir(packs) if len(name) == 2):
            with home.held("packs", group) as directory:
                disk.fsync(directory)
        disk.fsync(packs)


def _look(reader: Reader) -> _Findings:
    home = reader.home
    points = reader.points()
    names = {*packfile.all_packs(home), *(name for point in points for name in point.packs)}
    surveys = {name: packfile.survey(home, name) for name in sorted(names)}
    damages = verify.examine(reader, points, surveys, whole=True).damages
    elsewhere = {id: (name, entry) for name, survey in surveys.items() for id, entry in survey.whole.items()}
    contents = {}
    for name, survey in surveys.items():
        if survey.problems and pack_place.size(home, name) is not None:
            hurt = [id for _, id in survey.problems if id is not None]
            contents[name] = {id: elsewhere[id] for id in (*survey.whole, *hurt) if id in elsewhere}
    whole: dict[str, Container[bytes]] = {name: contents.get(name, survey.whole) for name, survey in surveys.items()}
    kept, lost = [], []
    for point in points:
        try:
            missing = holders.missing(holders.holders(reader, point, surveys), point, whole)
        except errors.IntegrityError:
            missing = {b"": (verify.EVERYTHING,)}
        if point.manifest_id is not None and point.manifest_id not in whole[point.pack]:
            missing = {**missing, point.manifest_id: (verify.EVERYTHING,)}
        if missing:
            lost.append(Lost(point.id, point.reference, verify.all_names(missing.values())))
        else:
            kept.append(point)
    manifests = {point.manifest_id for point in points}
    for records in contents.values():  # what never was a restore point would be one where there is no anchor
        for id in [id for id, (_, entry) in records.items() if entry[2] == record.MANIFEST and id not in manifests]:
            del records[id]
    return _Findings(reader, damages, tuple(kept), tuple(lost), contents)


def _put_packs_aside(home: Home, found: _Findings, aside: int) -> None:
    for name, records in found.contents.items():
        *directories, _ = pack_place.parts(name)
        with home.held(*directories) as directory:
            if records:
                _replace(home, name, records, directory, aside)
            else:
                disk.rename(name, name, src_dir_fd=directory, dst_dir_fd=aside)
                disk.fsync(aside)
                disk.fsync(directory)


def _replace(
    home: Home, name: str, records: Mapping[bytes, tuple[str, tuple[int, int, int]]], directory: int, aside: int
) -> None:
    """A pack of this id with these records takes the place of the one there is, which is put aside."""
    successor = pack.Records(home, new_id(), name)
    try:
        with contextlib.ExitStack() as files:
            opened: dict[str, packfile.PackFile] = {}
            for id, (source, entry) in records.items():
                if source not in opened:
                    opened[source] = files.enter_context(packfile.PackFile(home, source))
                successor.copy(id, entry[2], opened[source].raw(entry))
        disk.link(name, name, src_dir_fd=directory, dst_dir_fd=aside, follow_symlinks=False)
        disk.fsync(aside)
        faultpoints.reach("repair.pack-linked")
        successor.publish()
    except BaseException:
        successor.abandon()
        raise


def _write_journal(home: Home, found: _Findings, aside: int) -> None:
    reader = found.reader
    head = anchor.Anchor(0, b"", "", "")

    def fill(db: connection.Connection) -> None:
        for run in reader.infos():
            rows.insert_run(db, home, columns.of_run(home, run))
        for point in sorted(found.kept, key=lambda point: point.number):
            envelope = reader.envelope(point)
            fields = {**columns.of_point(home, envelope.manifest), "seq": point.seq, "commit_ms": point.commit_ms}
            size = pack_place.size(home, point.pack) or 0
            info = handover.PackInfo(point.pack, point.id, point.run, size, point.manifest_id or b"", point.packs)
            rows.insert_packs(db, home, point.packs)
            head.number, head.tag = rows.insert_point(db, home, info, fields)
            head.point, head.pack = point.id, point.pack

    for run in reader.infos():
        known.drop(home, run.id)  # it may name what is in the quarantine now
    anchor.forget(home)
    connection.replace(home, fill, aside)
    faultpoints.reach("repair.journal-replaced")
    if head.number:
        anchor.write(home, head)
    else:
        anchor.begin(home)
