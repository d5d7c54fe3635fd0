"""Thread pools with nothing to do: made again with the same settings; threads start with the next task."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures.thread import ThreadPoolExecutor
from typing import Any, Final

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.model import ReduceContext, Reducer

_MADE_HERE: Final = frozenset({"_work_queue", "_idle_semaphore", "_threads", "_shutdown_lock"})


def reduce_pool(pool: Any, context: ReduceContext) -> Any:
    """An idle pool by its settings. Raises errors.Refused while work is queued."""
    if pool._work_queue.qsize() and not pool._shutdown:
        raise Refused("a ThreadPoolExecutor has work queued")
    return make_pool, (type(pool), pool._max_workers), attributes(pool, _MADE_HERE), None, None, fill


def make_pool(cls: Any, workers: int) -> Any:
    """A pool without threads yet."""
    pool = object.__new__(cls)
    ThreadPoolExecutor.__init__(pool, workers)
    return pool


class _Pools(Quiet):
    name = "thread_pools"
    module = "concurrent.futures.thread"

    def reducers(self) -> Mapping[type, Reducer]:
        return {ThreadPoolExecutor: reduce_pool}


ADAPTER = _Pools()
