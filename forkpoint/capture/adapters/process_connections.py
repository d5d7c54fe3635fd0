"""multiprocessing: an open connection is the number of a descriptor, which means nothing in another process."""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing.connection import Connection  # noqa: TID251 - the program's own
from typing import Any

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def reduce_connection(connection: Any, context: ReduceContext) -> Any:
    """A closed one by its attributes; an open one is a tombstone: its other end and what is under way are not here."""
    if connection.closed:
        return NotImplemented
    return context.tombstone(connection, "an open connection between processes")


class _Connections(Quiet):
    name = "process_connections"
    module = "multiprocessing.connection"

    def reducers(self) -> Mapping[type, Reducer]:
        return {Connection: reduce_connection}


ADAPTER = _Connections()
