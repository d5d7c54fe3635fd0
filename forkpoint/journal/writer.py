"""One commit: the row of the restore point, inserted last, makes it true.

Everything here runs under writer.lock, in a process that is no fork of the program. The pack is durable before; after
COMMIT nothing can fail the commit any more.
"""

from __future__ import annotations

import contextlib

from forkpoint import errors, faultpoints
from forkpoint.journal import anchor, connection, disk, known, pack_place, rows
from forkpoint.journal.handover import PackInfo
from forkpoint.journal.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from forkpoint.journal.runs import RunInfo


def begin_run(home: Home, run: RunInfo) -> None:
    """Record that a run begins, durably; again for the same run changes nothing. The first commit would do it too."""
    from forkpoint.journal import columns

    row = columns.of_run(home, run)
    with home.writer_lock(), connection.errors_in_words(home):
        db = connection.open_writer(home)
        try:
            with connection.transaction(db):
                rows.insert_run(db, home, row)
        finally:
            db.close()


def check_packs(db: connection.Connection, home: Home, info: PackInfo) -> None:
    """Every pack the commit relies on is live, or brought back from being condemned; else `CommitFailed`."""
    for name in info.packs:
        row = db.execute("SELECT bytes, plan FROM pack WHERE id = ?", (name,)).fetchone()
        size = info.bytes_new if name == info.pack else row and row["bytes"]
        if size is None or pack_place.size(home, name) != size:
            raise errors.CommitFailed(
                f"pack {name}, which this commit relies on, is gone; the next one writes it again"
            )
        if row is not None and row["plan"] is not None:
            db.execute("UPDATE pack SET plan = NULL WHERE id = ?", (name,))


def commit(
    db: connection.Connection,
    home: Home,
    run: Mapping[str, Any],
    info: PackInfo,
    point: Mapping[str, Any],
    elapsed_ms: Callable[[], float],
) -> int:
    """The commit point. Returns seq once the row is durable; committing the same restore point again returns it too.
    `run` and `point` are what goes into their rows, as columns.py makes it.

    Raises `CommitFailed` or an SQLite error when it did not. Before COMMIT was asked for the pack is removed again; a
    COMMIT that fails leaves it, since only the disk knows what becomes visible after a crash: all of it or nothing.
    """
    done = db.execute("SELECT seq FROM point WHERE id = ?", (info.point,)).fetchone()
    if done is not None:
        return int(done["seq"])
    try:
        recover(db, home, info.pack)
        db.execute("BEGIN IMMEDIATE")
        check_packs(db, home, info)
        rows.insert_run(db, home, run)
        number, tag = rows.insert_point(db, home, info, {**point, "commit_ms": elapsed_ms()})
        (seq,) = db.execute("SELECT seq FROM point WHERE number = ?", (number,)).fetchone()
        faultpoints.reach("committer.inserted")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        remove_pack(home, info)
        raise
    connection.commit(db)
    faultpoints.reach("committer.committed")
    # It stands: anchor and cache only help, and must not make a success a failure.
    with contextlib.suppress(OSError, errors.ForkpointError):
        anchor.write(home, anchor.Anchor(number, tag, info.point, info.pack))
    faultpoints.reach("committer.anchored")
    with contextlib.suppress(OSError, errors.ForkpointError):
        known.advance(home, info.run, info.point)
    return int(seq)


def recover(db: connection.Connection, home: Home, own_pack: str) -> None:
    """Put back rows the journal lost, from the packs, before the chain grows over the place where they were.

    The anchor tells whether any are lost. Where there is none, in a copy, unnamed packs count as lost rows: a copy may
    have come without its WAL.
    """
    noted = anchor.read(home)
    try:
        lost = noted is None or rows.head(db, home)[0] < noted.number
    except errors.IntegrityError:
        lost = True
    if lost:
        from forkpoint.journal import rebuild

        rebuild.restore_rows(db, home, own_pack)


def remove_pack(home: Home, info: PackInfo) -> None:
    """Remove the pack of a commit that certainly did not happen, and what it was built on: the next writes it all."""
    with contextlib.suppress(OSError):
        known.drop(home, info.run, info.point)
        with home.held("packs", info.pack[:2]) as directory:
            disk.unlink(info.pack, dir_fd=directory)
