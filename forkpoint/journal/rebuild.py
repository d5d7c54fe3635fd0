"""The journal made good from the packs: restore points whose rows are lost or damaged, found by their manifests."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from forkpoint import errors
from forkpoint.journal import anchor, columns, connection, handover, manifest, packfile, record, rows, schema, seal
from forkpoint.journal.home import Home
from forkpoint.journal.runs import RunInfo


class Found(NamedTuple):
    """A restore point as its own pack tells it."""

    envelope: manifest.Envelope
    manifest_id: bytes
    size: int


def _read(home: Home, pack: str) -> Found | None:
    """None where there is no restore point in it. Tried twice: a disk may fail once, and what is passed over here but
    found whole later would be in no journal, without a word.
    """
    for _ in range(2):
        with contextlib.suppress(errors.IntegrityError):
            return _read_once(home, pack)
    return None


def _read_once(home: Home, pack: str) -> Found | None:
    with packfile.PackFile(home, pack) as file:
        for id, (_offset, _stored, type) in file.entries().items():
            if type == record.MANIFEST:
                return Found(file.envelope(id), id, file.size)
    return None


def run_of(home: Home, pack: str) -> RunInfo | None:
    """The run a pack was written for, or None when it does not say so any more."""
    item = _read(home, pack)
    return None if item is None else item.envelope.run


def find(home: Home, known_packs: set[str]) -> list[Found]:
    """Restore points in packs other than these, parents before children, whose packs are all there.

    A pack that never was committed is among them: not acknowledged, but fully there.
    """
    everything = packfile.all_packs(home)
    there = set(everything)
    found = [item for pack in everything if pack not in known_packs and (item := _read(home, pack)) is not None]
    complete = {item.envelope.manifest.point: item for item in found if there.issuperset(item.envelope.packs)}
    return [complete[envelope.manifest.point] for envelope in in_order([item.envelope for item in complete.values()])]


def in_order(envelopes: list[manifest.Envelope]) -> list[manifest.Envelope]:
    """By age, but no child before its parent: clocks are set back. Parents that are missing change nothing."""
    waiting = {envelope.manifest.point: envelope for envelope in envelopes}
    ordered: list[manifest.Envelope] = []
    for envelope in sorted(envelopes, key=lambda envelope: envelope.manifest.created_at):
        line = []
        point: str | None = envelope.manifest.point
        while point in waiting:
            line.append(waiting.pop(point))
            point = line[-1].manifest.parent
        ordered += reversed(line)
    return ordered


def _drop_damaged_tail(db: connection.Connection, home: Home) -> int:
    """Delete the newest rows as long as they are damaged; returns the highest number deleted, or 0."""
    highest = 0
    for row in db.execute("SELECT * FROM point ORDER BY number DESC").fetchall():
        if seal.same(schema.point_tag(home.seal, row), row["tag"]):
            break
        highest = max(highest, row["number"])
        db.execute("DELETE FROM point WHERE number = ?", (row["number"],))
    return highest


def going_packs(db: connection.Connection, home: Home) -> tuple[set[str], list[str]]:
    """Packs that were condemned or whose deletion is under way: nothing to be found in them. And the plans that say so
    without their seal, which are not believed.
    """
    going: set[str] = set()
    forged = []
    for row in db.execute("SELECT * FROM plan"):
        columns = (row["id"], row["phase"], row["packs"], row["readers"])
        if seal.same(schema.plan_seal(home.seal, *columns), row["seal"]):
            going.update(row["packs"].split())
        else:
            forged.append(str(row["id"]))
    return going, forged


def restore_rows(db: connection.Connection, home: Home, own_pack: str) -> list[str]:
    """Insert again what the journal's end lost, under writer.lock; returns the ids of the restore points put back.

    `own_pack` is the pack of the commit that is under way, which is not lost but yet to come.

    Raises `IntegrityError` when the restore point the anchor names is neither there nor among them, nor was a damaged
    row: then this is an older store, and nothing was changed.
    """
    noted = anchor.read(home)
    with connection.transaction(db):
        dropped = _drop_damaged_tail(db, home)
        present = {row["pack"] for row in db.execute("SELECT pack FROM point")}
        found = find(home, present | going_packs(db, home)[0] | {own_pack})
        ids = [item.envelope.manifest.point for item in found]
        there = {row["id"] for row in db.execute("SELECT id FROM point")}
        if noted is not None and noted.number > dropped and noted.point not in there.union(ids):
            raise rolled_back(noted)
        for item in found:
            point = item.envelope.manifest
            info = handover.PackInfo(
                item.envelope.pack, point.point, point.run, item.size, item.manifest_id, item.envelope.packs
            )
            rows.insert_run(db, home, columns.of_run(home, item.envelope.run))
            rows.insert_packs(db, home, item.envelope.packs)
            rows.insert_point(db, home, info, {**columns.of_point(home, point), "commit_ms": 0.0})
    return ids


def rolled_back(noted: anchor.Anchor) -> errors.IntegrityError:
    """What to say of a store that is older than its anchor."""
    return errors.IntegrityError(
        f"the store is older than what was last written here: restore point {noted.point[:8]}, number {noted.number}, "
        "is gone",
        hint="put the newer store back, or accept the loss with --accept-rollback",
    )
