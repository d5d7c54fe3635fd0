"""concurrent.futures: a ProcessPoolExecutor with nothing to do comes back without workers; its next task starts them.

See `_worker_tasks` for when workers that begin later are the same.
"""

from __future__ import annotations

import queue
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures.process import ProcessPoolExecutor
from types import CodeType, FrameType
from typing import Any

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.capture.adapters._worker_start import unheard
from forkpoint.capture.adapters._worker_tasks import Given
from forkpoint.errors import Refused
from forkpoint.model import ReduceContext, Reducer

_live: weakref.WeakKeyDictionary[Any, Given] = weakref.WeakKeyDictionary()
"""The executors of this process whose forked workers were seen to begin, and what those were given to do."""


class NotedIds(queue.Queue):  # type: ignore[type-arg]  # not subscriptable at run time on 3.11
    """The queue of an executor's new tasks, by number; their functions are noted."""

    tasks: dict[int, Any]
    given: Given

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """As the queue's own."""
        self.given.note(_function(self.tasks[item]))
        super().put(item, block, timeout)


def _function(task: Any) -> Any:
    """What is to be called: `map` wraps it."""
    function = task.fn
    wrapped = getattr(getattr(function, "func", None), "__name__", "") == "_process_chunk"
    return function.args[0] if wrapped else function


def reduce_executor(executor: Any, context: ReduceContext) -> Any:
    """An executor by its settings. Raises Refused where its workers could not be made again as they are."""
    initializer, arguments = executor._initializer, executor._initargs
    if not executor._shutdown_thread:
        if executor._pending_work_items or executor._broken:
            raise Refused("a ProcessPoolExecutor is at work")
        if executor._processes and executor._mp_context.get_start_method() == "fork":
            if executor not in _live:
                raise Refused("the workers of a ProcessPoolExecutor were not seen to begin")
            _live[executor].require_unchanged(executor._max_workers)
            if initializer not in (None, unheard):
                initializer, arguments = unheard, (initializer, arguments)
    settings = (executor._max_workers, executor._mp_context, initializer, arguments, executor._max_tasks_per_child)
    return make_executor, (type(executor),), (settings, executor._shutdown_thread), None, None, fill_executor


def make_executor(cls: Any) -> Any:
    """An executor without anything."""
    return object.__new__(cls)


def fill_executor(executor: Any, state: tuple[Any, bool]) -> None:
    """Its settings, as given to a new one."""
    (workers, context, initializer, arguments, tasks), ended = state
    ProcessPoolExecutor.__init__(executor, workers, context, initializer, arguments, max_tasks_per_child=tasks)
    if ended:
        executor.shutdown()


class _Executors(Quiet):
    name = "process_executors"
    module = "concurrent.futures.process"
    inside: tuple[CodeType, ...] = (ProcessPoolExecutor.submit.__code__,)
    """A task may be done before `submit` has woken whom it wakes through a pipe; then the executor seems to be idle."""

    def reducers(self) -> Mapping[type, Reducer]:
        return {ProcessPoolExecutor: reduce_executor}

    def before_program_forks(self, caller: FrameType) -> None:
        """An executor that starts its workers gets a queue that notes its tasks; the first is in it already."""
        frame: FrameType | None = caller
        while frame is not None and frame.f_code is not ProcessPoolExecutor._spawn_process.__code__:  # type: ignore[attr-defined]
            frame = frame.f_back
        executor = frame.f_locals["self"] if frame is not None else None
        if executor is None or executor in _live:
            return
        given = _live[executor] = Given()
        for task in executor._pending_work_items.values():
            given.note(_function(task))
        ids = executor._work_ids
        ids.__class__, ids.tasks, ids.given = NotedIds, executor._pending_work_items, given

    def children(self) -> Iterator[int]:
        """None: idle workers are told from busy ones by their executor's thread."""
        return iter(())


ADAPTER = _Executors()
