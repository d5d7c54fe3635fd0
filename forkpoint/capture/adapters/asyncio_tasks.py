"""The number in the name of asyncio's next task: it is kept in C, and shown only by a task that is made."""

from __future__ import annotations

from asyncio import tasks
from typing import Any, Final

from forkpoint.capture.adapters._quiet import Quiet

_FORWARD_MAX: Final = 1_000_000
"""Making a task takes a microsecond or two; nobody reads names with more digits."""


class _NoLoop:
    """What a task asks of its loop when it is made: it never runs."""

    def get_debug(self) -> bool:
        return False

    def call_soon(self, *arguments: Any, **keywords: Any) -> None:
        return None

    def is_running(self) -> bool:
        return False


async def _nothing() -> None:
    return None


def _taken() -> int:
    """The number that the next task would have had."""
    coroutine = _nothing()
    task: Any = tasks.Task(coroutine, loop=_NoLoop())  # type: ignore[arg-type]
    task._log_destroy_pending = False
    coroutine.close()
    return int(task.get_name().rpartition("-")[2])


class _Tasks(Quiet):
    name = "asyncio_tasks"
    module = "asyncio.tasks"

    def capture(self, before: None) -> int:
        return _taken()

    def restore(self, state: int) -> None:
        if state > 1 and state <= _FORWARD_MAX:
            while _taken() < state - 1:
                continue


ADAPTER = _Tasks()
