"""asyncio: while an event loop runs, commits wait; its tasks are C objects, and what they wait for is outside.

Before and after `asyncio.run`, and in coroutines that the program drives by itself, they are taken. A loop that the
program keeps between its runs (`asyncio.Runner`, `loop.run_until_complete` in a loop), with nothing begun, is made
again with its settings: its selector and the pipe it wakes itself with are new.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Mapping
from typing import Any, Final

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.model import ReduceContext, Reducer

_MADE: Final = frozenset(
    "_selector _ssock _csock _internal_fds _ready _scheduled _transports _asyncgens _thread_id _closed "
    "_signal_handlers _current_handle _unix_server_sockets _clock_resolution".split()
)
"""Attributes that a new loop has of its own, in one or another version (asyncio's base_events, selector_events,
unix_events)."""


def reduce_loop(loop: Any, context: ReduceContext) -> Any:
    """By its settings. A tombstone where it has begun something."""
    if not loop.is_closed() and (loop._ready or loop._scheduled or loop._signal_handlers or asyncio.all_tasks(loop)):
        return context.tombstone(loop, "an asyncio event loop with tasks or callbacks that are not done")
    state = (loop.is_closed(), attributes(loop, _MADE))
    return make_loop, (type(loop),), state, None, None, fill_loop


def make_loop(cls: Any) -> Any:
    """A loop with nothing to do."""
    made = cls.__new__(cls)
    asyncio.SelectorEventLoop.__init__(made)
    return made


def fill_loop(loop: Any, state: tuple[bool, Any]) -> None:
    """Its settings and attributes."""
    closed, named = state
    fill(loop, named)
    if closed:
        loop.close()


class _Loops(Quiet):
    name = "asyncio_loops"
    module = "asyncio.events"

    def reducers(self) -> Mapping[type, Reducer]:
        return {asyncio.SelectorEventLoop: reduce_loop}

    def standing(self) -> str:
        """See `ambient.standing`: in code that a loop of this thread has called."""
        loop = events._get_running_loop()
        return f"an asyncio event loop is running ({type(loop).__name__})" if loop is not None else ""

    def before_fork(self) -> None:
        """Raises errors.Refused there."""
        if reason := self.standing():
            raise Refused(reason)


ADAPTER = _Loops()
