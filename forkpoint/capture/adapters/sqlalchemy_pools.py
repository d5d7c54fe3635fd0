"""SQLAlchemy's pools: a connection that nobody uses is opened again when it is wanted, as the pool does by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.pool.base import _ConnectionRecord

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_CONNECTION: Final = "dbapi_connection"


def reduce_record(record: Any, context: ReduceContext) -> Any:
    """A pool's place for a connection: empty, unless it is in use or holds a database that is in memory only."""
    if record.fairy_ref is not None or not _has_a_file(record.dbapi_connection):
        return NotImplemented
    return make_record, (type(record),), attributes(record, frozenset({_CONNECTION})), None, None, fill_record


def _has_a_file(connection: Any) -> bool:
    """Is what it is connected to there without it? Only of SQLite's databases some are not."""
    if connection is None or type(connection).__module__ != "sqlite3":
        return connection is not None
    return any(name == "main" and path for _, name, path in connection.execute("pragma database_list").fetchall())


def make_record(kind: Any) -> Any:
    """A place without a connection."""
    return kind.__new__(kind)


def fill_record(record: Any, state: Any) -> None:
    """What it knows besides."""
    fill(record, state)
    record.dbapi_connection = None


class _Pools(Quiet):
    name = "sqlalchemy_pools"
    module = "sqlalchemy.pool.base"

    def reducers(self) -> Mapping[type, Reducer]:
        return {_ConnectionRecord: reduce_record}


ADAPTER = _Pools()
