"""asyncio: while an event loop runs, commits wait; its tasks are C objects, and what they wait for is outside.

Before and after `asyncio.run`, and in coroutines that the program drives by itself, they are taken.
"""

from __future__ import annotations

from asyncio import events

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused


class _Loops(Quiet):
    name = "asyncio_loops"
    module = "asyncio.events"

    def standing(self) -> str:
        """See `ambient.standing`: in code that a loop of this thread has called."""
        loop = events._get_running_loop()
        return f"an asyncio event loop is running ({type(loop).__name__})" if loop is not None else ""

    def before_fork(self) -> None:
        """Raises errors.Refused there."""
        if reason := self.standing():
            raise Refused(reason)


ADAPTER = _Loops()
