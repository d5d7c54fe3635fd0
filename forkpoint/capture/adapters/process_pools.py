"""multiprocessing: a Pool that has ended is still held by its name after the `with` block; it comes back as ended.

A Pool that runs is not saved: its workers cannot be taken along.
"""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing import pool as pools  # noqa: TID251 - only looked at, nothing is started
from typing import Any, Final

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_THREADS: Final = ("_worker_handler", "_task_handler", "_result_handler")


class Ended:
    """Stands for a pool's thread that has ended."""

    def join(self) -> None:
        """It has ended already."""

    def is_alive(self) -> bool:
        """No."""
        return False


def reduce_pool(pool: Any, context: ReduceContext) -> Any:
    """An ended pool by its state; a running one keeps multiprocessing's own way, which is to refuse."""
    held = vars(pool)
    if held.get("_state") == pools.RUN or any(held[name].is_alive() for name in _THREADS):
        return NotImplemented
    return make_pool, (type(pool), held["_state"], held["_ctx"], held["_processes"])


def make_pool(cls: Any, state: str, context: Any, processes: int) -> Any:
    """A pool that says that it is not running, whatever it is asked."""
    made = object.__new__(cls)
    made.__dict__.update(_state=state, _ctx=context, _processes=processes, _pool=[], _cache={})
    made.__dict__.update(dict.fromkeys(_THREADS, Ended()))
    return made


class _Pools(Quiet):
    name = "process_pools"
    module = "multiprocessing.pool"

    def reducers(self) -> Mapping[type, Reducer]:
        return {pools.Pool: reduce_pool}


ADAPTER = _Pools()
