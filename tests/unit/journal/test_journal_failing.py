"""A system call that fails is the failure of what needed it, and of nothing else (see stress/journal_syscalls.py)."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journal_program import Program, content

from forkpoint import errors
from forkpoint.journal import anchor, connection, durable, known, rekey, schema
from forkpoint.journal.home import Home, open_home
from forkpoint.journal.reader import Reader
from forkpoint.journal.repair import repair
from forkpoint.journal.retention import Policy, forget


@pytest.mark.parametrize("helps", [(anchor, "write"), (known, "advance")], ids=["anchor", "known"])
def test_what_only_helps_makes_no_failure_of_a_commit_that_stands(
    program: Program, helps: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise errors.ForkpointError("leases cannot be opened: Too many open files")

    monkeypatch.setattr(*helps, fail)
    point = program.commit([b"first"])
    with Reader(program.home) as reader:
        assert reader.has(point)


def test_a_new_journal_is_folded_before_it_is_closed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing folds too, and says nothing when the disk is full: then the journal would be put in place without it."""
    found: list[set[str]] = []

    class Closing(connection._Connection):
        def close(self) -> None:
            alone = Path(home.path, "alone")
            shutil.copy(Path(home.path, "journal.new"), alone)
            copied = connection.sqlite.connect(alone)
            found.append({row[0] for row in copied.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")})
            copied.close()
            super().close()

    monkeypatch.setattr(connection, "_Connection", Closing)
    with home.writer_lock(), home.held() as root:
        connection._make(home, root)
    assert found and found[0] >= schema.TABLES


CHANGES: dict[str, Callable[[Home], object]] = {
    "repair": repair,
    "rotation": lambda home: rekey.rekey(home.path, home),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EACCES])
def test_a_pack_this_process_cannot_open_is_not_taken_for_lost(
    program: Program, change: Callable[[Home], object], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = {program.commit(state): state for state in ([b"shared" * 50, bytes([n]) * 200] for n in range(3))}
    program.die()
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        Path(program.home.path, name).unlink(missing_ok=True)
    opened = durable.open_beneath

    def open_beneath(root: int, parts: Any, flags: int, mode: int = 0o600) -> int:
        parts = tuple(parts)
        if parts[0] == "packs" and len(parts) == 3:
            raise OSError(number, os.strerror(number))
        return opened(root, parts, flags, mode)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "open_beneath", open_beneath)
        with pytest.raises((errors.ForkpointError, OSError), match=os.strerror(number)):
            change(program.home)
    home = open_home(program.home.path)
    repair(home)
    forget(home, Policy(keep_last=9))
    with Reader(home) as reader:
        assert {point.id: content(home, reader.plan(point)) for point in reader.points()} == states
