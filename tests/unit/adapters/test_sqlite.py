"""sqlite3 connections, cursors and rows that a forked child saves come back working; what would not is refused."""

from __future__ import annotations

import os
import pickle
import sqlite3  # noqa: TID251 - as programs use it
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from in_memory import Lost, dumps, loads

from forkpoint.errors import Refused

OPENED: list[sqlite3.Connection] = []
"""What the test at hand has opened and got back. Since 3.13 a connection nobody closed warns when it is freed."""


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def connected(path: str, **options: Any) -> sqlite3.Connection:
    OPENED.append(sqlite3.connect(path, **options))
    return OPENED[-1]


def again(value: Any) -> Any:
    """`value` as a forked child saves it, brought back here; a refusal is raised here."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            saved = dumps(value)
        except Refused as refused:
            saved = pickle.dumps(refused)
        with os.fdopen(writing, "wb") as stream:
            stream.write(saved)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        found = loads(stream.read())
    os.waitpid(child, 0)
    if isinstance(found, Refused):
        raise found
    for one in found if isinstance(found, tuple) else (found,):
        if isinstance(one, sqlite3.Connection | sqlite3.Cursor):
            OPENED.append(one.connection if isinstance(one, sqlite3.Cursor) else one)
    return found


def filled(path: str, **options: Any) -> sqlite3.Connection:
    connection = connected(path, **options)
    connection.execute("create table t (x integer primary key, y text)")
    connection.execute("insert into t values (1, 'one'), (2, 'two')")
    connection.commit()
    return connection


def test_a_connection_to_a_file_goes_on_with_its_settings(tmp_path: Path) -> None:
    connection = filled(str(tmp_path / "a.db"), isolation_level="IMMEDIATE", timeout=7.5)
    connection.row_factory, connection.text_factory = sqlite3.Row, bytes
    connection.execute("pragma foreign_keys = on")
    connection.execute('pragma temp.table_info("t")')  # SQLAlchemy asks: there is a temporary schema then, with nothing
    back = again(connection)
    assert back.isolation_level == "IMMEDIATE" and back.row_factory is sqlite3.Row and back.text_factory is bytes
    assert back.execute("pragma foreign_keys").fetchone()[0] == 1
    assert back.execute("pragma busy_timeout").fetchone()[0] == 7500
    back.execute("insert or replace into t values (2, 'zwei')")
    assert back.in_transaction
    back.commit()
    assert connection.execute("select y from t").fetchall()[1]["y"] == b"zwei"


@pytest.mark.parametrize("detect", [0, 1, 2, 3])
@pytest.mark.parametrize("checked", [True, False])
def test_what_a_connection_does_not_show_is_found_out(tmp_path: Path, detect: int, checked: bool) -> None:
    from forkpoint.capture.adapters import sqlite_connections

    back = again(filled(str(tmp_path / "a.db"), detect_types=detect, check_same_thread=checked))
    assert sqlite_connections._is_checked(back) is checked
    assert sqlite_connections._detected(back) == detect


def test_a_connection_to_memory_brings_its_tables() -> None:
    back = again(again(filled(":memory:")))
    back.execute("insert into t values (3, 'three')")
    assert back.execute("select count(*), max(x) from t").fetchone() == (3, 3)


def test_cursors_and_rows_keep_what_they_tell(tmp_path: Path) -> None:
    connection = filled(str(tmp_path / "a.db"))
    connection.row_factory = sqlite3.Row
    cursor = connection.execute("select * from t")
    rows = cursor.fetchall()
    writer = connection.execute("insert into t values (9, 'nine')")
    connection.commit()
    one, other, kept, home = again((cursor, writer, rows, connection))
    assert one.connection is home and [part[0] for part in one.description] == ["x", "y"]
    assert other.lastrowid == 9 and other.rowcount == 1
    assert [tuple(row) for row in kept] == [(1, "one"), (2, "two")] and kept[0]["y"] == "one"
    assert other.execute("select count(*) from t").fetchone()[0] == 3


def test_a_closed_connection_is_closed() -> None:
    connection = filled(":memory:")
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        again(connection).execute("select 1")


def test_an_open_transaction_makes_the_commit_wait_and_would_be_lost(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    connection = filled(path)
    connection.execute("insert into t values (3, 'three')")
    with pytest.raises(Refused, match="transaction"):
        again(connection)
    other = connected(path)
    assert other.execute("select count(*) from t").fetchone() == (2,)
    connection.commit()
    assert again(connection).execute("select count(*) from t").fetchone() == (3,)


def test_rows_that_are_not_fetched_make_the_commit_wait_and_stay_for_the_program(tmp_path: Path) -> None:
    cursor = filled(str(tmp_path / "a.db")).execute("select x from t")
    assert cursor.fetchone() == (1,)
    with pytest.raises(Refused, match="not fetched"):
        again(cursor)
    assert cursor.fetchall() == [(2,)]
    again(cursor)


@pytest.mark.parametrize("word", ["double", "temporary", "attached", "traced"])
def test_what_a_file_cannot_bring_back_is_lost_by_name(tmp_path: Path, word: str) -> None:
    connection = filled(str(tmp_path / "a.db"))

    def traced(statement: str) -> None:
        return None

    if word == "double":
        connection.create_function("double", 1, lambda x: 2 * x)
    elif word == "temporary":
        connection.execute("create temp table u (x)")
    elif word == "attached":
        connection.execute(f"attach '{tmp_path / 'b.db'}' as other")
    else:
        connection.set_trace_callback(traced)
    found = again(connection)
    assert isinstance(found, Lost) and word in found.reason


def test_the_program_s_own_connection_is_not_disturbed_by_being_saved(tmp_path: Path) -> None:
    connection = filled(str(tmp_path / "a.db"))
    connection.execute("pragma journal_mode = wal").fetchall()
    for number in range(3, 8):
        again(connection)
        connection.execute("insert into t values (?, 'x')", (number,))
        connection.commit()
    assert connection.isolation_level == "" and connection.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_database_in_memory_may_have_nothing_in_it() -> None:
    back = again(connected(":memory:"))
    back.execute("create table points(x)")
    assert back.execute("select count(*) from points").fetchone() == (0,)


@pytest.mark.parametrize("last", ["insert into t values (1), (2)", "update t set x = 3", "delete from t where x > 9"])
def test_what_a_connection_has_counted_is_counted_again(last: str, tmp_path: Path) -> None:
    connection = connected(str(tmp_path / "a.db"), isolation_level="IMMEDIATE")
    connection.execute("create table t (x)")
    connection.executemany("insert into t values (?)", [(each,) for each in range(5)])
    connection.execute(last)
    connection.commit()
    back = again(connection)

    def counted(of: sqlite3.Connection) -> Any:
        return of.total_changes, of.execute("select changes(), last_insert_rowid(), count(*) from t").fetchone()

    assert counted(back) == counted(connection)
    assert back.isolation_level == "IMMEDIATE" and not back.in_transaction
    assert counted(again(back)) == counted(connection)
