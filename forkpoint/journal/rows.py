"""The journal's rows of runs and restore points, inserted within a transaction of the caller's."""

from __future__ import annotations

from forkpoint import errors
from forkpoint.journal import connection, pack_place, schema, seal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from forkpoint.journal.handover import PackInfo
    from forkpoint.journal.home import Home
    from forkpoint.journal.runs import RunInfo


def run_of(key: seal.Seal, row: Mapping[str, Any]) -> RunInfo:
    """The run a row tells of. Raises `IntegrityError` when it is not as it was written."""
    from forkpoint.journal import columns
    from forkpoint.journal.home import is_id

    try:
        if seal.same(schema.run_tag(key, row), row["tag"]) and is_id(row["id"]):
            return columns.run_in(key, row)
    except (errors.IntegrityError, ValueError, TypeError, RecursionError):
        pass  # sealed, and yet nothing that this version writes
    raise errors.IntegrityError(f"the row of run {row['id']} is damaged")


def insert_run(db: connection.Connection, home: Home, run: Mapping[str, Any]) -> None:
    """Record that there is this run (`columns.of_run`), if the journal does not know it yet."""
    if db.execute("SELECT 1 FROM run WHERE id = ?", (run["id"],)).fetchone() is None:
        _insert(db, "run", {**run, "tag": schema.run_tag(home.seal, run)})


def _insert(db: connection.Connection, table: str, row: Mapping[str, Any]) -> None:
    names = ", ".join(row)
    places = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", tuple(row.values()))  # noqa: S608 - our names


def head(db: connection.Connection, home: Home) -> tuple[int, bytes]:
    """(number, chain tag) of the newest commit. Raises `IntegrityError` when its row is damaged."""
    row = db.execute("SELECT * FROM point ORDER BY number DESC LIMIT 1").fetchone()
    if row is None:
        return 0, schema.NO_TAG
    tag: bytes = row["tag"]
    if not seal.same(schema.point_tag(home.seal, row), tag):
        raise errors.IntegrityError(f"the journal's row of restore point {row['id']} is damaged")
    return int(row["number"]), tag


def insert_packs(db: connection.Connection, home: Home, packs: Iterable[str]) -> None:
    """Record these packs as the journal's, those of restore points that were forgotten among them: what no row names is
    swept.
    """
    for name in packs:
        size = pack_place.size(home, name)
        if size is not None:
            db.execute("INSERT OR IGNORE INTO pack (id, bytes, plan) VALUES (?, ?, NULL)", (name, size))


def insert_point(db: connection.Connection, home: Home, info: PackInfo, point: Mapping[str, Any]) -> tuple[int, bytes]:
    """Insert pack and restore point (`columns.of_point`) within the caller's transaction; (number, chain tag)."""
    number, previous = head(db, home)
    (seq,) = db.execute("SELECT COALESCE(MAX(seq), 0) + 1 FROM point WHERE run = ?", (point["run"],)).fetchone()
    row = {
        "number": number + 1,
        "seq": seq,
        **point,
        "complete": int(point["complete"]),
        "bytes_new": info.bytes_new,
        "pack": info.pack,
        "packs": " ".join(info.packs),
        "manifest_id": info.manifest_id,
        "previous": previous,
    }
    row["tag"] = schema.point_tag(home.seal, row)
    db.execute("INSERT OR IGNORE INTO pack (id, bytes, plan) VALUES (?, ?, NULL)", (info.pack, info.bytes_new))
    _insert(db, "point", row)
    return number + 1, row["tag"]
