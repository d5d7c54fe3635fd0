"""sqlite3: connections without a transaction are opened again on their file, or get back what they hold in memory.

The file itself is `capture.own_databases`' business. A forked child may not touch a database file that its parent has
open: everything is asked in ways that read no page of it. What `sqlite3` does not show is found out by trying, in the
child. The module is never imported here, only used where the program has it.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.model import ReduceContext, Reducer

_MEANINGS: Final = ("foreign_keys", "recursive_triggers", "query_only", "read_uncommitted", "busy_timeout")
"""Settings of a connection that change what statements do, and can be asked without reading the file."""
_PROBE: Final = "forkpoint_probe"
_BLOCK: Final = 1_000_000
"""Rows with which changes are counted again, over and over: some 0.1 s for each time."""

_OF_DIALECT: Final = frozenset({"floor/1", "regexp/2"})
"""What SQLAlchemy gives each of its connections (dialects/sqlite/pysqlite.py)."""

sqlite3: Any = sys.modules["sqlite3"]

_TABLES: Final = ("adapters", "converters")
"""Of `register_adapter` and `register_converter`."""


def _ask(connection: Any, statement: str) -> list[Any]:
    """All rows, as tuples, whatever the program made of rows and text. Raises sqlite3.Error."""
    cursor = sqlite3.Cursor(connection)
    cursor.row_factory = None
    return list(cursor.execute(statement))


# ---- connections


def reduce_connection(connection: Any, context: ReduceContext) -> Any:
    """By file and settings. Raises errors.Refused in a transaction: what it has written is in no file yet."""
    try:
        open_transaction = connection.in_transaction
    except sqlite3.ProgrammingError:
        return make_closed, (type(connection),), attributes(connection), None, None, fill
    if open_transaction:
        raise Refused("an sqlite3 connection has a transaction open")
    own = (connection.row_factory, connection.text_factory, connection.isolation_level)
    counted = (connection.total_changes, *_ask(connection, "select changes(), last_insert_rowid()")[0])
    connection.text_factory, connection.isolation_level = str, None
    problem = _why_not(connection)
    if problem:
        return context.tombstone(connection, problem)
    path = next((file for _, name, file in _ask(connection, "pragma database_list") if name == "main"), "")
    path = path if os.path.isabs(path) else ""  # one that was deserialized calls its memory "x"
    is_empty = _ask(connection, "pragma page_count") == [(0,)]  # which SQLite does not serialize
    content = None if path else context.buffer(memoryview(b"" if is_empty else connection.serialize()))
    options = {"check_same_thread": _is_checked(connection), "detect_types": _detected(connection)}
    if hasattr(connection, "autocommit"):
        options["autocommit"] = connection.autocommit
    meanings = {name: _ask(connection, f"pragma {name}")[0][0] for name in _MEANINGS}
    state = (own, meanings, counted, _is_pooled(connection), attributes(connection))
    where = (path or ":memory:", bool(path) and os.path.exists(path), content)
    return make_connection, (type(connection), where, options), state, None, None, fill_connection


def _why_not(connection: Any) -> str:
    others = [name for _, name, _ in _ask(connection, "pragma database_list") if name != "main"]
    if "temp" in others and _ask(connection, "select count(*) from temp.sqlite_master") == [(0,)]:
        others.remove("temp")  # it was only asked about
    if others:
        return "it has temporary tables" if others == ["temp"] else f"it has attached {', '.join(others)}"
    with closing(sqlite3.connect(":memory:")) as plain:
        own = sorted(_known(connection) - _known(plain))
    if own and not (set(own) <= _OF_DIALECT and _is_pooled(connection)):
        return f"it knows functions of the program: {', '.join(own)}"
    known = (connection.row_factory, connection.text_factory)
    for held in gc.get_referents(connection):
        if callable(held) and not isinstance(held, type) and all(held is not one for one in known):
            if type(held).__name__ != "_lru_cache_wrapper":  # of its statements
                return f"it calls {getattr(held, '__qualname__', type(held).__name__)} of the program"
    return ""


def _is_pooled(connection: Any) -> bool:
    """Whether SQLAlchemy opened it, and so gave it functions of its own."""
    pools = sys.modules.get("sqlalchemy.pool.base")
    records = _native.living(pools._ConnectionRecord) if pools else ()
    return any(record.dbapi_connection is connection for record in records)


def _give_functions(connection: Any) -> None:
    dialect: Any = sys.modules["sqlalchemy.dialects.sqlite.pysqlite"].SQLiteDialect_pysqlite
    dialect(dbapi=sqlite3).on_connect()(connection)


def _known(connection: Any) -> set[str]:
    """Functions, by name and number of arguments, and collations."""
    functions = {f"{row[0]}/{row[4]}" for row in _ask(connection, "pragma function_list") if not row[1]}
    return functions | {row[1] for row in _ask(connection, "pragma collation_list")}


def _is_checked(connection: Any) -> bool:
    """Is it for one thread only? Tried in another one."""
    refused: list[bool] = []

    def attempt() -> None:
        try:
            connection.cursor()
        except sqlite3.ProgrammingError:
            refused.append(True)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return bool(refused)


def _detected(connection: Any) -> int:
    """Its `detect_types`: what comes of a column whose name and declared type say that a converter is wanted."""
    sqlite3.register_converter(_PROBE, lambda raw: _PROBE)
    _ask(connection, f"create temp table {_PROBE} (x {_PROBE})")
    _ask(connection, f"insert into {_PROBE} values ('raw')")  # noqa: S608 - a name of ours
    by_type = _ask(connection, f"select x from {_PROBE}") == [(_PROBE,)]  # noqa: S608
    by_name = _ask(connection, f"select 'raw' as \"x [{_PROBE}]\"") == [(_PROBE,)]
    return int(by_type * sqlite3.PARSE_DECLTYPES | by_name * sqlite3.PARSE_COLNAMES)


def make_connection(cls: Any, where: tuple[str, bool, Any], options: Mapping[str, Any]) -> Any:
    """The connection again. Raises sqlite3.OperationalError when its file is gone: none is made in its place."""
    path, existed, content = where
    if existed and not os.path.exists(path):
        raise FileNotFoundError(f"the database {path} that the program had open is gone")
    made = cls.__new__(cls)
    sqlite3.Connection.__init__(made, path, **options)
    if content is not None:
        whole = bytearray(content.nbytes)
        content.readinto(memoryview(whole))
        if whole:
            made.deserialize(bytes(whole))
    return made


_State = tuple[tuple[Any, Any, Any], Mapping[str, int], tuple[int, int, int], bool, Any]


def fill_connection(connection: Any, state: _State) -> None:
    """Its settings, counters and attributes."""
    (rows, text, isolation), meanings, counted, pooled, named = state
    own, connection.isolation_level = connection.isolation_level, None
    _count(connection, *counted)
    connection.isolation_level = own
    for name, value in meanings.items():
        _ask(connection, f"pragma {name} = {value}")
    if pooled:
        _give_functions(connection)
    connection.row_factory, connection.text_factory = rows, text
    if connection.isolation_level != isolation:
        connection.isolation_level = isolation
    fill(connection, named)


def _count(connection: Any, total: int, last: int, rowid: int) -> None:
    """Change `total` rows of a temporary table, `last` of them in the last statement, with which `rowid` comes."""
    if total == 0:
        return
    _ask(connection, f"create temp table {_PROBE} (x integer primary key)")
    left = total - max(last, 1)
    while left > 0:
        block = min(left, _BLOCK)
        _ask(connection, _filled("1", block))
        left -= block
        cleared = min(left, block)
        _ask(connection, f"delete from {_PROBE} where x <= {cleared}")  # noqa: S608 - a name of ours
        left -= cleared
        _ask(connection, f"drop table {_PROBE}")
        _ask(connection, f"create temp table {_PROBE} (x integer primary key)")
    _ask(connection, _filled(str(rowid - max(last, 1) + 1), max(last, 1)))
    if last == 0:
        _ask(connection, f"delete from {_PROBE} where 0")  # noqa: S608
    _ask(connection, f"drop table {_PROBE}")


def _filled(first: str, rows: int) -> str:
    counted = f"with recursive n(i) as (select 0 union all select i + 1 from n limit {rows})"  # noqa: S608
    return f"insert into {_PROBE} {counted} select {first} + i from n"  # noqa: S608


def make_closed(cls: Any) -> Any:
    """A connection that has been closed."""
    made = cls.__new__(cls)
    sqlite3.Connection.__init__(made, ":memory:")
    made.close()
    return made


# ---- cursors and rows


def reduce_cursor(cursor: Any, context: ReduceContext) -> Any:
    """A cursor with no row to come. Raises errors.Refused while there is one."""
    told = {name: getattr(cursor, name) for name in ("description", "lastrowid", "rowcount")}
    rows, cursor.row_factory = cursor.row_factory, None
    try:
        pending = cursor.fetchone() is not None
    except sqlite3.ProgrammingError:
        pending = False  # of a closed connection, or closed itself
    if pending:
        raise Refused("an sqlite3 cursor has rows that are not fetched yet")
    state = (told, cursor.arraysize, rows, attributes(cursor))
    return make_cursor, (type(cursor), cursor.connection), state, None, None, fill_cursor


def make_cursor(cls: Any, connection: Any) -> Any:
    """A cursor that has done nothing."""
    made = cls.__new__(cls, connection)
    sqlite3.Cursor.__init__(made, connection)
    return made


def fill_cursor(cursor: Any, state: tuple[Mapping[str, Any], int, Any, Any]) -> None:
    """What it told of its last statement, and its settings."""
    told, size, rows, named = state
    for name, value in told.items():
        _native.member_set(vars(sqlite3.Cursor)[name], cursor, value)
    cursor.arraysize, cursor.row_factory = size, rows
    fill(cursor, named)


def reduce_row(row: Any, context: ReduceContext) -> Any:
    """A row by its names and values."""
    return make_row, (type(row), tuple(row.keys()), tuple(row))


def make_row(cls: Any, names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    """The row, by way of a cursor that could have given it."""
    connection = sqlite3.connect(":memory:")
    cursor = connection.cursor()
    _native.member_set(vars(sqlite3.Cursor)["description"], cursor, tuple((name, *[None] * 6) for name in names))
    made = cls(cursor, values)
    connection.close()
    return made


class _Connections(Quiet):
    name = "sqlite_connections"
    module = "sqlite3"

    def reducers(self) -> Mapping[type, Reducer]:
        return {
            sqlite3.Connection: reduce_connection,
            sqlite3.Cursor: reduce_cursor,
            sqlite3.Row: reduce_row,
        }

    def capture(self, before: None) -> dict[str, dict[Any, Any]]:
        """What the program registered for its types; what the library itself did has no name."""
        tables = {name: getattr(sqlite3, name) for name in _TABLES}
        return {
            name: {key: made for key, made in table.items() if getattr(made, "__module__", None) != "sqlite3.dbapi2"}
            for name, table in tables.items()
        }

    def restore(self, state: Mapping[str, Mapping[Any, Any]]) -> None:
        for name, registered in state.items():
            getattr(sqlite3, name).update(registered)


ADAPTER = _Connections()
