"""TensorBoard's event writers: drained at a commit, their thread made again, their files continued where they were."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from queue import Queue
from time import monotonic, sleep
from typing import Any, Final

from tensorboard.summary.writer import event_file_writer

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.model import ReduceContext, Reducer

_DRAIN_SECONDS: Final = 2.0
"""A queue of some events is written in milliseconds; a disk that takes longer than this makes the commit wait."""
_HELD_SECONDS: Final = 0.02
"""The thread holds the queue's lock for microseconds; longer, and it is the program that holds it."""
_LOOK_SECONDS: Final = 0.0005


def _writers() -> Iterator[Any]:
    for thread in threading.enumerate():
        if isinstance(thread, event_file_writer._AsyncWriterThread) and thread.exception is None:
            yield thread


def _file_of(record_writer: Any) -> str | None:
    name = getattr(getattr(record_writer, "_writer", None), "filename", None)
    return None if name is None else os.fsdecode(name)


def reduce_writer(writer: Any, context: ReduceContext) -> Any:
    """By attributes: the program may stand inside `write`, with the very lock and queue."""
    return make_writer, (type(writer),), attributes(writer), None, None, fill


def make_writer(cls: Any) -> Any:
    """One without attributes."""
    return cls.__new__(cls)


def reduce_thread(thread: Any, context: ReduceContext) -> Any:
    """What it works on. What it was writing it has written (see before_fork)."""
    state = thread._queue, thread._record_writer, thread._flush_secs, thread._shutdown_signal, thread.exception
    return make_thread, (type(thread), thread.name, thread.is_alive(), *state)


def make_thread(
    cls: Any, name: str, alive: bool, queue: Any, record_writer: Any, flush_seconds: float, signal: object, error: Any
) -> Any:
    """A thread on the same queue, at work unless it had ended."""
    thread = cls(queue if alive else Queue(), record_writer, flush_seconds)
    thread.name, thread._shutdown_signal, thread.exception = name, signal, error
    if alive:
        queue.not_empty._waiters.clear()  # the old thread, which a put() would wake in vain
        thread.start()
        return thread
    thread._queue.put(signal)
    thread.start()
    thread.join()
    thread._queue = queue
    return thread


def _drained(queue: Any) -> bool:
    """Wait until all that is queued has been written; False when it takes too long.

    Without the queue's lock: this very thread may hold it, inside `put`.
    """
    until, held_since = monotonic() + _DRAIN_SECONDS, None
    while queue.unfinished_tasks:
        now = monotonic()
        held_since = None if not queue.mutex.locked() else held_since or now
        if now > until or (held_since is not None and now - held_since > _HELD_SECONDS):
            return False
        sleep(_LOOK_SECONDS)
    return True


class _Writers(Quiet):
    name = "tensorboard_writers"
    module = "tensorboard.summary.writer.event_file_writer"

    def reducers(self) -> Mapping[type, Reducer]:
        return {event_file_writer._AsyncWriter: reduce_writer, event_file_writer._AsyncWriterThread: reduce_thread}

    def before_fork(self) -> dict[str, int]:
        """Let the threads write what is queued, as the program's own flush() does; path -> bytes then in the file."""
        sizes: dict[str, int] = {}
        for thread in _writers():
            if not _drained(thread._queue):
                raise Refused("TensorBoard's writer thread is still writing its queue to disk")
            thread._record_writer.flush()
            path = _file_of(thread._record_writer)
            if path is not None and os.path.exists(path):
                sizes[os.path.abspath(path)] = os.path.getsize(path)
        return sizes

    def restore(self, state: dict[str, int]) -> None:
        """Cut off events that were written after the restore point: they will be written again."""
        for path, size in state.items():
            if os.path.exists(path) and os.path.getsize(path) > size:
                os.truncate(path, size)


ADAPTER = _Writers()
