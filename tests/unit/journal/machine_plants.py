"""Bugs put into the store, each of which the state machine has to find (store_machine.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from forkpoint.journal import committer, connection, disk, durable, handover, lease, pack, retention, seal
from forkpoint.journal.reader import Reader

Plant = Callable[[pytest.MonkeyPatch], None]


class _Other:
    """The disk as one module sees it, with some operations changed."""

    def __init__(self, **changes: Callable[..., Any]) -> None:
        self.__dict__.update(changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(disk, name)


def _nothing(*_: Any) -> None:
    pass


def packs_are_not_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pack, "disk", _Other(fdatasync=_nothing))


def names_of_packs_are_not_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pack, "disk", _Other(fsync=_nothing))


def small_files_are_not_synced(patch: pytest.MonkeyPatch) -> None:
    """FORMAT, the anchor, notes."""
    patch.setattr(durable, "disk", _Other(fdatasync=_nothing))


def a_failed_sync_is_tried_again(patch: pytest.MonkeyPatch) -> None:
    def again(fd: int) -> None:
        try:
            disk.fdatasync(fd)
        except OSError:
            disk.fdatasync(fd)

    patch.setattr(pack, "disk", _Other(fdatasync=again))


def the_journal_is_not_synced(patch: pytest.MonkeyPatch) -> None:
    opened = connection.open_writer

    def open_writer(home: Any) -> Any:
        db = opened(home)
        db.execute("PRAGMA synchronous=NORMAL")
        return db

    patch.setattr(connection, "open_writer", open_writer)


def a_transaction_the_disk_refused_stays_in_the_wal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(connection, "_take_back", _nothing)


def a_new_journal_is_put_in_place_though_its_wal_was_not_folded(patch: pytest.MonkeyPatch) -> None:
    """Closing it folds the WAL, and says nothing when it cannot."""

    def execute(self: Any, text: str, *more: Any) -> Any:
        return real(self, "PRAGMA user_version" if text == "PRAGMA wal_checkpoint(TRUNCATE)" else text, *more)

    real = connection._Connection.execute
    patch.setattr(connection._Connection, "execute", execute)


def a_commit_is_acknowledged_before_it_is_made(patch: pytest.MonkeyPatch) -> None:
    commit = committer._commit

    def early(request: dict[str, Any]) -> None:
        committer._answer(request, handover.pack_from(request["pack"]), 1, "", 0.0)
        with pytest.MonkeyPatch.context() as later:
            later.setattr(committer, "_answer", _nothing)
            commit(request)

    patch.setattr(committer, "_commit", early)


def readers_are_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lease, "readers", lambda home: iter(()))


def files_are_deleted_before_their_rows(patch: pytest.MonkeyPatch) -> None:
    condemn = retention._condemn

    def early(db: Any, home: Any, rows: Any, going: Any, result: Any) -> None:
        gone = {row["id"] for row in going}
        dead = retention._dead_packs(db, [row for row in rows if row["id"] not in gone])
        for name in dead:
            with home.held("packs", name[:2]) as directory:
                disk.unlink(name, dir_fd=directory)
        condemn(db, home, rows, going, result)

    patch.setattr(retention, "_condemn", early)


def an_older_store_is_taken_for_the_truth(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reader, "_contradicts", lambda *_: False)


def tags_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(seal, "same", lambda tag, claimed: isinstance(claimed, bytes))


PLANTS: dict[str, Plant] = {
    plant.__name__.replace("_", "-"): plant
    for plant in (
        packs_are_not_synced,
        names_of_packs_are_not_synced,
        small_files_are_not_synced,
        a_failed_sync_is_tried_again,
        the_journal_is_not_synced,
        a_transaction_the_disk_refused_stays_in_the_wal,
        a_new_journal_is_put_in_place_though_its_wal_was_not_folded,
        a_commit_is_acknowledged_before_it_is_made,
        readers_are_not_waited_for,
        files_are_deleted_before_their_rows,
        an_older_store_is_taken_for_the_truth,
        tags_are_not_checked,
    )
}
