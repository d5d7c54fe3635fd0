"""The journal: which runs there are, which restore points, and which packs they need. One SQLite file, in WAL mode.

    run      one row a run: what `RunInfo` says, and a tag over it
    point    one row a restore point: inserting it is the commit
               number   position in the store's one chain of commits, never used twice
               seq      1, 2, 3... within the run
               pack     the pack that holds the manifest; packs: all it needs, blank-separated
               manifest_id  keyed id of the manifest record
               previous the chain tag of number - 1 (32 zero bytes before the first)
               tag      the chain tag: over `previous` and every other column of this row
    gap      numbers first..last were forgotten; `tag` is what the chain said at `last`, `seal` vouches for the three
    pack     every pack the journal knows, its size, and the forget plan that condemns it, if any
    plan     forgetting under way: phase 1 condemned, 2 waiting for the readers listed, 3 deleting files, rows gone

In an encrypted store label, location and all of a run but its id and time are hidden texts (see columns.py); tags cover
what they are hidden as.

The journal holds no chunk table. Which chunks a pack has is said, authenticated, in the pack's own index, and a
restore point's manifest lists the packs it needs; a second, unauthenticated copy here would cost a row per chunk in
every commit. For the same reason the journal can be rebuilt from the packs (see rebuild.py).

SQLite does not notice damaged content, so no value of `run`, `point`, `gap` or `plan` is used before its tag was
checked. `pack` rows carry none: nothing is deleted on their word alone.

Version 1 is PRAGMA user_version 1, application_id 0x464b5054 ("FKPT"). A version above ours is refused by name.
"""

from __future__ import annotations

from forkpoint.journal.seal import Seal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VERSION = 1
APPLICATION_ID = 0x464B5054
NO_TAG = bytes(32)

CONDEMNED = 1
WAITING = 2
DELETING = 3

_TABLES = """
CREATE TABLE run(
    id TEXT PRIMARY KEY, program TEXT NOT NULL, argv TEXT NOT NULL, cwd TEXT NOT NULL, identity TEXT NOT NULL,
    created_at TEXT NOT NULL, facts TEXT NOT NULL, tag BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE point(
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, run TEXT NOT NULL, seq INTEGER NOT NULL,
    parent TEXT, label TEXT, trigger TEXT NOT NULL, created_at TEXT NOT NULL, location TEXT NOT NULL,
    complete INTEGER NOT NULL, bytes_new INTEGER NOT NULL, bytes_total INTEGER NOT NULL, stop_ms REAL NOT NULL,
    commit_ms REAL NOT NULL, pack TEXT NOT NULL, packs TEXT NOT NULL, manifest_id BLOB NOT NULL,
    previous BLOB NOT NULL, tag BLOB NOT NULL, UNIQUE(run, seq)
) STRICT;
CREATE TABLE gap(
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, tag BLOB NOT NULL, seal BLOB NOT NULL
) STRICT;
CREATE TABLE pack(
    id TEXT PRIMARY KEY, bytes INTEGER NOT NULL, plan TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE plan(
    id TEXT PRIMARY KEY, phase INTEGER NOT NULL, packs TEXT NOT NULL, readers TEXT NOT NULL, seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""
DDL = f"{_TABLES}PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
TABLES = frozenset(statement.strip() for statement in _TABLES.split(";") if statement.strip())
"""As SQLite keeps them: what a damaged journal says of its own columns is not believed either."""

RUN_COLUMNS = ("id", "program", "argv", "cwd", "identity", "created_at", "facts")
POINT_COLUMNS = (
    "number", "id", "run", "seq", "parent", "label", "trigger", "created_at", "location", "complete", "bytes_new",
    "bytes_total", "stop_ms", "commit_ms", "pack", "packs", "manifest_id", "previous",
)  # fmt: skip


def run_tag(seal: Seal, row: Mapping[str, Any]) -> bytes:
    """The tag of a run's row."""
    return seal.tag("run", *[row[name] for name in RUN_COLUMNS])


def point_tag(seal: Seal, row: Mapping[str, Any]) -> bytes:
    """The chain tag of a restore point's row."""
    return seal.tag("point", *[row[name] for name in POINT_COLUMNS])


def gap_seal(seal: Seal, first: int, last: int, tag: bytes) -> bytes:
    """Vouches that these numbers were forgotten on purpose."""
    return seal.tag("gap", first, last, tag)


def plan_seal(seal: Seal, id: str, phase: int, packs: str, readers: str) -> bytes:
    """Vouches that deleting these packs was decided here."""
    return seal.tag("plan", id, phase, packs, readers)
