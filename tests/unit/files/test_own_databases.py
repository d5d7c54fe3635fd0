"""Databases that the program changes are read at the commit point, others are not, and no lock is given up for it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from forkpoint import databases
from forkpoint.capture import descriptors, own_databases
from forkpoint.capture.own_databases import OwnDatabases


@pytest.fixture
def path(tmp_path: Path) -> str:
    name = str(tmp_path / "a.db")
    with closing(sqlite3.connect(name)) as made:
        made.execute("create table t (i)")
        made.execute("insert into t values (1)")
        made.commit()
    return name


@pytest.fixture
def database(path: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("select * from t").fetchall()
        yield opened


def held(seen: OwnDatabases) -> list[str]:
    return sorted(Path(path).name for path in seen.at_commit(descriptors.opened(()))[1])


def put(database: sqlite3.Connection) -> None:
    database.execute("insert into t values (2)")
    database.commit()


def test_one_that_is_only_read_is_not_held_and_one_that_changes_is(path: str, database: sqlite3.Connection) -> None:
    seen = OwnDatabases(())
    seen.connecting(path, pytest.fail)
    assert held(seen) == []
    put(database)
    assert held(seen) == ["a.db"]
    database.execute("pragma journal_mode=wal")
    put(database)
    assert held(seen) == ["a.db", "a.db-wal"]


def test_what_is_held_is_the_database_between_two_transactions(
    path: str, database: sqlite3.Connection, tmp_path: Path
) -> None:
    seen = OwnDatabases([path])
    database.execute("pragma journal_mode=wal")
    put(database)
    for name, content in seen.at_commit(descriptors.opened(()))[1].items():
        (tmp_path / Path(name).name.replace("a.db", "copy.db")).write_bytes(content)
    put(database)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("select i from t").fetchall() == [(1,), (2,)]


def test_one_in_a_transaction_is_not_held_and_keeps_its_lock(path: str, database: sqlite3.Connection) -> None:
    seen = OwnDatabases([path])
    database.execute("insert into t values (3)")
    database.execute("pragma cache_spill=0")
    seen.at_commit(descriptors.opened(()))
    attempt = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0.1).execute('begin immediate')"
    other = subprocess.run([sys.executable, "-c", attempt, path], capture_output=True, text=True, check=False)
    assert "database is locked" in other.stderr


def test_one_that_connecting_makes_is_told_of_and_one_in_memory_is_not(tmp_path: Path) -> None:
    seen, absent = OwnDatabases(()), []
    for name in (":memory:", "", b"bytes.db", tmp_path / "new.db", tmp_path / "new.db", "file:x?mode=memory"):
        seen.connecting(name, absent.append)
    assert [Path(name).name for name in absent] == ["bytes.db", "new.db"]


def test_one_that_is_too_large_is_left_to_itself(
    path: str, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = OwnDatabases([path])
    put(database)
    monkeypatch.setattr(own_databases, "READ_AT_COMMIT_BYTES_MAX", 4096)
    assert held(seen) == []
    assert set(seen.at_commit(descriptors.opened(()))[0]) == {path}


def test_each_commit_is_seen_once_the_wal_has_begun_anew_and_grows_no_more(
    path: str, database: sqlite3.Connection
) -> None:
    database.isolation_level = None
    database.execute("pragma journal_mode=wal")
    database.execute("create table blobs (i integer primary key, b)")
    seen = OwnDatabases([path])
    wal = Path(f"{path}-wal")
    sizes, contents, marks = [], [], []
    for number in range(1300):
        database.execute("insert into blobs values (?, ?)", (number, bytes(1900)))
        if number > 1100:
            marks.append(databases.mark(path))
            contents.append(seen.at_commit(descriptors.opened(()))[1][str(wal)])
            sizes.append(wal.stat().st_size)
    assert len(set(sizes)) < 10, "the WAL has begun anew, and its size tells nothing"
    assert len(set(marks)) == len(set(contents)) == len(contents)


def test_a_commit_over_what_a_rollback_left_in_the_wal_is_seen(path: str, database: sqlite3.Connection) -> None:
    database.isolation_level = None
    database.execute("pragma journal_mode=wal")
    database.execute("pragma cache_size=1")
    database.execute("create table blobs (i integer primary key, b)")
    seen = OwnDatabases([path])
    database.execute("begin")
    for number in range(200):
        database.execute("insert into blobs values (?, ?)", (number, bytes(1900)))
    database.execute("rollback")
    contents = []
    for number in range(3):
        database.execute("insert into blobs values (?, ?)", (number, bytes(10)))
        contents.append(seen.at_commit(descriptors.opened(()))[1][f"{path}-wal"])
    assert len(set(contents)) == 3
