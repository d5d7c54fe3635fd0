"""multiprocessing: a Pool with nothing to do comes back with workers made again; one that has ended, as ended.

Workers begin as they did, with the pool's initializer, whose output was seen already; see `_worker_tasks` for when
that makes the same workers.
"""

from __future__ import annotations

import queue
import types
import weakref
from collections.abc import Iterator, Mapping
from multiprocessing import pool as pools  # noqa: TID251 - workers are the program's own, made as Pool makes them
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.capture.adapters._worker_start import count_on, next_number, unheard
from forkpoint.capture.adapters._worker_tasks import Given
from forkpoint.errors import Refused
from forkpoint.model import ReduceContext, Reducer

_THREADS: Final = ("_worker_handler", "_task_handler", "_result_handler")
_SETTINGS: Final = ("_processes", "_initializer", "_initargs", "_maxtasksperchild", "_ctx")
_OF_A_POOL: Final = frozenset({"_cache", "_pool"})
_MAPPERS: Final = (pools.mapstar, pools.starmapstar)  # type: ignore[attr-defined]
_WORK: Final = pools.worker  # type: ignore[attr-defined]


class Running(NamedTuple):
    """What it takes to make a running pool again: names and identities of its workers, and functions given to them."""

    settings: list[Any]
    names: list[tuple[str, tuple[int, ...]]]
    given: list[Any]


_to_begin: list[tuple[Any, Running]] = []
"""Pools that are back, but for their workers."""

_live: weakref.WeakKeyDictionary[Any, Given] = weakref.WeakKeyDictionary()
"""The pools of this process whose forked workers were seen to begin, and what those were given to do."""


class Ended:
    """Stands for a pool's thread that has ended."""

    def join(self) -> None:
        """It has ended already."""

    def is_alive(self) -> bool:
        """No."""
        return False


class NotedTasks(queue.SimpleQueue):  # type: ignore[type-arg]  # not subscriptable at run time on 3.11
    """The queue in which a pool's tasks wait for their worker; what is put into it is noted."""

    given: Given

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """As the queue's own."""
        if item is not None:
            for function in _functions(item[0]):
                self.given.note(function)
        super().put(item, block, timeout)


def _functions(tasks: Any) -> Iterator[Any]:
    """What is to be called: of a list of tasks, or of a generator of them that has not begun."""
    if not isinstance(tasks, types.GeneratorType):
        yield from (task[2] for task in tasks)
        return
    held = _arguments(tasks)
    yield _arguments(held["iterable"])["func"] if held["func"] in _MAPPERS else held["func"]


def _arguments(generator: Any) -> dict[str, Any]:
    found: dict[str, Any] = generator.gi_frame.f_locals
    return found


def reduce_pool(pool: Any, context: ReduceContext) -> Any:
    """A pool by its settings. Raises Refused where its workers could not be made again as they are."""
    held = vars(pool)
    if held.get("_state") == pools.RUN:
        if pool._cache:
            raise Refused("a Pool is at work")
        return make_running, (type(pool),), _running(pool), None, None, begin
    if any(held[name].is_alive() for name in _THREADS):
        return NotImplemented
    return make_pool, (type(pool), held["_state"], held["_ctx"], held["_processes"])


def _running(pool: Any) -> Running:
    given: list[Any] = []
    if not isinstance(pool, pools.ThreadPool) and pool._ctx.get_start_method() == "fork":
        if pool not in _live:
            raise Refused("a Pool's workers were not seen to begin")
        _live[pool].require_unchanged(pool._processes)
        given = _live[pool].functions()
    names = [(worker.name, worker._identity) for worker in pool._pool if hasattr(worker, "_identity")]
    return Running([getattr(pool, name) for name in _SETTINGS], names, given)


def make_pool(cls: Any, state: str, context: Any, processes: int) -> Any:
    """A pool that says that it is not running, whatever it is asked."""
    made = object.__new__(cls)
    made.__dict__.update(_state=state, _ctx=context, _processes=processes, _pool=[], _cache={})
    made.__dict__.update(dict.fromkeys(_THREADS, Ended()))
    return made


def make_running(cls: Any) -> Any:
    """A pool without workers: they begin when everything else is back."""
    made = object.__new__(cls)
    made.__dict__.update(_state=pools.INIT, _pool=[], _cache={})
    return made


def begin(pool: Any, running: Running) -> None:
    """Noted for `_Pools.restore`."""
    _to_begin.append((pool, running))


def _start(pool: Any, running: Running) -> None:
    """As `__init__` of its class does, with the names that its workers had, and without what they said then."""
    if isinstance(pool, pools.ThreadPool):
        pools.Pool.__init__(pool, *running.settings[:3])
        return
    vars(pool)["_repopulate_pool"] = lambda: _begin_workers(pool, running)
    pools.Pool.__init__(pool, *running.settings)
    del vars(pool)["_repopulate_pool"]


def _begin_workers(pool: Any, running: Running) -> None:
    given = _watch(pool)
    for function in running.given:
        given.note(function)
    for name, identity in running.names:
        arguments = (pool._inqueue, pool._outqueue, unheard, (pool._initializer, pool._initargs))
        worker = pool.Process(pool._ctx, target=_WORK, args=(*arguments, pool._maxtasksperchild, pool._wrap_exception))
        worker._name, worker._identity, worker.daemon = name, identity, True
        worker.start()
        pool._pool.append(worker)


def _watch(pool: Any) -> Given:
    """A pool that is just being made gets a queue that notes its tasks."""
    given = _live[pool] = Given()
    pool._taskqueue = NotedTasks()
    pool._taskqueue.given = given
    return given


def reduce_result(result: Any, context: ReduceContext) -> Any:
    """What a task has returned, or the results of many, without the pool they came from."""
    if result._cache.get(result._job) is result:
        raise Refused("a Pool is at work")
    return object.__new__, (type(result),), attributes(result, _OF_A_POOL), None, None, fill_result


def fill_result(result: Any, state: Any) -> None:
    """Its attributes; it waits for nothing any more."""
    fill(result, state)
    result._cache, result._pool = {}, None


class _Pools(Quiet):
    name = "process_pools"
    module = "multiprocessing.pool"
    inside: tuple[CodeType, ...] = ()

    def reducers(self) -> Mapping[type, Reducer]:
        results = (pools.ApplyResult, pools.IMapIterator)
        return {pools.Pool: reduce_pool, **dict.fromkeys(results, reduce_result)}

    def before_program_forks(self, caller: FrameType) -> None:
        """Is a pool just being made?"""
        frame: FrameType | None = caller
        while frame is not None and frame.f_code is not pools.Pool.__init__.__code__:
            frame = frame.f_back
        pool = frame.f_locals["self"] if frame is not None else None
        if pool is not None and pool not in _live:
            _watch(pool)

    def children(self) -> Iterator[int]:
        """None: idle workers are told from busy ones by their pool's threads."""
        return iter(())

    def before_fork(self) -> int:
        return next_number()

    def restore(self, state: int) -> None:
        """Start the workers; processes that the program starts later count on from there."""
        while _to_begin:
            _start(*_to_begin.pop(0))
        count_on(state)


ADAPTER = _Pools()
