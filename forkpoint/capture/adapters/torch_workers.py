"""torch: a DataLoader's iterator with worker processes; its workers are started again where they were.

What each worker was told is noted from its start. A worker made again does all that once more (`_worker_replay`), so
that its random states and what its dataset keeps are the same; answers that the program has received are dropped, those
on their way are given again. That holds only while what workers were started with is unchanged in the program, which a
digest shows (`_worker_view`); otherwise, and for whatever else is not proved, commits are refused.
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.queues import Queue as _ProcessQueue  # noqa: TID251 - workers are the program's own, made as torch makes them
from types import CodeType, FrameType
from typing import Any, Final

import torch.multiprocessing
from torch.utils.data import _utils
from torch.utils.data.dataloader import _DatasetKind, _MultiProcessingDataLoaderIter

from forkpoint.capture.adapters import _worker_replay
from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.capture.adapters._worker_log import Told
from forkpoint.capture.adapters._worker_start import count_on, next_number
from forkpoint.capture.adapters._worker_view import digest
from forkpoint.errors import Refused
from forkpoint.limits import REPLAYED_BATCHES_SAID
from forkpoint.model import ReduceContext, Reducer
from forkpoint.say import say

_THIS_PROCESS: Final = frozenset(
    {"_workers", "_index_queues", "_worker_result_queue", "_data_queue", "_workers_done_event", "_worker_pids_set"}
)
"""Attributes of an iterator that belong to one process."""

_INSIDE: Final = tuple(
    value.__code__ for value in vars(_MultiProcessingDataLoaderIter).values() if isinstance(value, types.FunctionType)
)


class NotedQueue(_ProcessQueue):  # type: ignore[type-arg]  # not subscriptable at run time on 3.11
    """A worker's index queue that keeps what is put into it: (batch number, indices), that an epoch begins, or None:
    that the worker is to end."""

    sent: Told

    def __init__(self, sent: Told, context: Any) -> None:
        super().__init__(ctx=context)
        self.sent = sent

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """As the queue's own; noted first."""
        self.sent.append(obj)
        super().put(obj, block, timeout)


@dataclass(slots=True)
class Worker:
    """What it takes to start one worker again. Among `arguments` its queues stand by name."""

    name: str
    identity: tuple[int, ...]
    loop: Any
    arguments: list[Any]
    sent: Told = field(default_factory=Told)


@dataclass(slots=True)
class Crew:
    """The workers of one iterator, and what they saw of the program when they were started."""

    process: Any
    workers: list[Worker]
    seen: bytes = b""
    unseen: str = ""
    """Why it cannot be known whether that has changed."""


_crews: weakref.WeakKeyDictionary[Any, Crew] = weakref.WeakKeyDictionary()
"""The live iterators of this process."""


def _look(crew: Crew) -> None:
    try:
        crew.seen = digest(crew.workers[0].arguments)
    except Refused as refused:
        crew.unseen = refused.reason


def reduce_iterator(iterator: Any, context: ReduceContext) -> Any:
    """The iterator and what its workers were told. Raises Refused where they could not be made again as they are."""
    state = attributes(iterator, _THIS_PROCESS)
    if iterator._shutdown:
        return make_iterator, (type(iterator),), (state, None), None, None, fill_iterator
    crew = _crews.get(iterator)
    if crew is None or len(crew.workers) != len(iterator._workers):
        raise Refused("a DataLoader's workers were started in a way that cannot be repeated", hint=_HINT)
    _require_replayable(iterator, crew)
    return make_iterator, (type(iterator),), (state, crew), None, None, fill_iterator


_HINT: Final = "commits are taken once that iterator is gone: persistent_workers=False, or num_workers=0"


def _require_replayable(iterator: Any, crew: Crew) -> None:
    reasons = {
        "in_order=False": not getattr(iterator, "_in_order", True),
        "pinned memory": iterator._pin_memory,
    }
    for reason, applies in reasons.items():
        if applies:
            raise Refused(f"a DataLoader with workers and {reason} cannot be taken along", hint=_HINT)
    if crew.unseen:
        raise Refused(crew.unseen, hint=_HINT)
    if digest(crew.workers[0].arguments) != crew.seen:
        raise Refused(
            "the dataset, collate_fn or worker_init_fn of a DataLoader, or a global they read, has changed since its "
            "workers were started",
            hint=_HINT,
        )
    awaited = sum(told[1] for worker in range(len(crew.workers)) for told in _past(iterator, worker, crew))
    # A worker whose part of an IterableDataset is at its end never answers what it was told ahead.
    told_in_vain = iterator._tasks_outstanding - awaited
    exhausted = iterator._dataset_kind == _DatasetKind.Iterable and not all(iterator._workers_status)
    if told_in_vain < 0 or (told_in_vain > 0 and not exhausted):
        raise Refused("a DataLoader is just talking to its workers")


def _past(iterator: Any, worker: int, crew: Crew) -> list[_worker_replay.Past]:
    """All that this worker was told, in order; awaited are answers to this epoch's that have not come."""
    sent = list(crew.workers[worker].sent)
    begins = max((at for at, told in enumerate(sent) if type(told) is not tuple and told is not None), default=-1)
    pending = iterator._task_info.items() if iterator._workers_status[worker] else ()
    awaited = {number for number, info in pending if len(info) == 1 and info[0] == worker}
    return [(told, at > begins and told is not None and told[0] in awaited) for at, told in enumerate(sent)]


def make_iterator(cls: type) -> Any:
    """An iterator that has no workers to end."""
    iterator: Any = object.__new__(cls)
    iterator._shutdown = True
    return iterator


def fill_iterator(iterator: Any, state: tuple[Any, Crew | None]) -> None:
    """Its attributes; its workers are started when everything else is back."""
    fill(iterator, state[0])
    vars(iterator).update(_shutdown=True, _workers=[], _index_queues=[], _worker_pids_set=False)
    if state[1] is not None:
        _crews[iterator] = state[1]


def _start(iterator: Any, crew: Crew) -> None:
    """As `_MultiProcessingDataLoaderIter.__init__` does. If the program dies here, its workers see that and end."""
    context: Any = torch.multiprocessing.get_context("fork")
    iterator._worker_result_queue = iterator._data_queue = context.Queue()
    iterator._workers_done_event = context.Event()
    ready = context.Semaphore(0)
    _look(crew)
    for number, worker in enumerate(crew.workers):
        queue = NotedQueue(worker.sent, context)
        queue.cancel_join_thread()
        queues = {"told": queue, "answers": iterator._worker_result_queue, "done": iterator._workers_done_event}
        arguments = [
            _worker_replay.Queue(each.role, queues[each.role]) if isinstance(each, _worker_replay.Queue) else each
            for each in worker.arguments
        ]
        past = _past(iterator, number, crew)
        process = crew.process(target=_worker_replay.work, args=(worker.loop, arguments, past, ready))
        process.daemon = True
        process._name, process._identity = worker.name, worker.identity
        process.start()
        iterator._index_queues.append(queue)
        iterator._workers.append(process)
    iterator._shutdown = False
    _utils.signal_handling._set_worker_pids(id(iterator), tuple(process.pid for process in iterator._workers))
    iterator._worker_pids_set = True
    if iterator._timeout > 0:  # which is for a batch, not for all of an epoch
        for process in iterator._workers:
            while not ready.acquire(timeout=_utils.MP_STATUS_CHECK_INTERVAL) and process.is_alive():
                pass


def _starting(caller: FrameType) -> FrameType | None:
    """The frame of the iterator's `__init__` that starts a worker, if that is what the program forks for."""
    frame: FrameType | None = caller
    while frame is not None and frame.f_code is not _MultiProcessingDataLoaderIter.__init__.__code__:
        frame = frame.f_back
    return frame


class _Workers(Quiet):
    name = "torch_workers"
    module = "torch.utils.data.dataloader"
    inside: tuple[CodeType, ...] = _INSIDE

    def reducers(self) -> Mapping[type, Reducer]:
        return {_MultiProcessingDataLoaderIter: reduce_iterator}

    def before_program_forks(self, caller: FrameType) -> None:
        """Note how a worker starts: the iterator's `__init__` is under way, and has told it nothing yet."""
        frame = _starting(caller)
        if frame is None:
            return
        held = frame.f_locals
        iterator, process, queue = held["self"], held["w"], held["index_queue"]
        if type(queue) is not _ProcessQueue or process._target is not _utils.worker._worker_loop:
            return
        roles = {
            id(queue): "told",
            id(iterator._worker_result_queue): "answers",
            id(iterator._workers_done_event): "done",
        }
        arguments = [_worker_replay.Queue(roles[id(each)]) if id(each) in roles else each for each in process._args]
        worker = Worker(process.name, process._identity, process._target, arguments)
        crew = _crews.setdefault(iterator, Crew(type(process), []))
        crew.workers.append(worker)
        if len(crew.workers) == 1:
            _look(crew)
        queue.__class__ = NotedQueue
        vars(queue)["sent"] = worker.sent

    def children(self) -> Iterator[int]:
        """Of iterators whose workers were seen to start."""
        for iterator in list(_crews):
            if not getattr(iterator, "_shutdown", True):
                yield from (process.pid for process in iterator._workers)

    def before_fork(self) -> dict[str, Any]:
        """Raises Refused inside an iterator's own methods, whose halves are in two processes."""
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if frame.f_code in _INSIDE:
                raise Refused("a DataLoader is just talking to its workers")
            frame = frame.f_back
        live = [iterator for iterator in list(_crews) if not iterator._shutdown]
        return {"live": live, "processes": next_number()}

    def restore(self, state: dict[str, Any]) -> None:
        """Start the workers, with the names they had; those the program starts later count on from there."""
        count_on(state["processes"])
        signals: Any = _utils.signal_handling
        handler = signals.signal.getsignal(signals.signal.SIGCHLD)
        if getattr(handler, "__module__", None) == signals.__name__:
            signals._SIGCHLD_handler_set = True  # or the next iterator would put another one before it
        again = max((len(worker.sent) for each in state["live"] for worker in _crews[each].workers), default=0)
        if again > REPLAYED_BATCHES_SAID:
            say(f"DataLoader workers go over up to {again} batches again to be where they were")
        for iterator in state["live"]:
            _start(iterator, _crews[iterator])


ADAPTER = _Workers()
