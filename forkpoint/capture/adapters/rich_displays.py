"""rich: the thread that draws a live display again and again (progress bars, spinners) is started again.

While it waits for its next turn it holds nothing; while it draws, commits wait (`capture.threads`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from rich.live import _RefreshThread

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_MADE_HERE: Final = frozenset(vars(threading.Thread(name="_")))
"""A Thread's own attributes, which are this process's."""


def reduce_refresher(thread: Any, context: ReduceContext) -> Any:
    """The thread by what it draws and how often; `_Displays.restore` starts those that ran."""
    return make_refresher, (type(thread), thread.name), attributes(thread, _MADE_HERE), None, None, fill


def make_refresher(cls: Any, name: str) -> Any:
    """A thread that has not begun."""
    thread = cls.__new__(cls)
    threading.Thread.__init__(thread, name=name, daemon=True)
    return thread


class _Displays(Quiet):
    name = "rich_displays"
    module = "rich.live"

    def reducers(self) -> Mapping[type, Reducer]:
        return {_RefreshThread: reduce_refresher}

    def before_fork(self) -> list[Any]:
        return [thread for thread in threading.enumerate() if isinstance(thread, _RefreshThread)]

    def restore(self, state: list[Any]) -> None:
        for thread in state:
            thread.start()


ADAPTER = _Displays()
