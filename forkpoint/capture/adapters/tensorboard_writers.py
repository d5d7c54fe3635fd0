"""TensorBoard's event writers: drained at a commit, their thread made again, their files continued where they were."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tensorboard.summary.writer import event_file_writer

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.model import ReduceContext, Reducer

_DRAIN_SECONDS: Final = 2.0
"""A queue of some events is written in milliseconds; a disk that takes longer than this makes the commit wait."""


def _writers() -> Iterator[Any]:
    for thread in threading.enumerate():
        if isinstance(thread, event_file_writer._AsyncWriterThread) and thread.exception is None:
            yield thread


def _file_of(record_writer: Any) -> str | None:
    name = getattr(getattr(record_writer, "_writer", None), "filename", None)
    return None if name is None else os.fsdecode(name)


def reduce_writer(writer: Any, context: ReduceContext) -> Any:
    """The queue is empty (see before_fork), so a writer is its record writer and its settings."""
    thread = writer._worker
    return make_writer, (type(writer), writer._writer, writer._byte_queue.maxsize, thread._flush_secs, writer._closed)


def make_writer(cls: Any, record_writer: Any, queue_length: int, flush_seconds: float, closed: bool) -> Any:
    """A writer with a thread of its own; none for a closed one."""
    writer = cls(record_writer, queue_length, flush_seconds)
    if closed:
        writer._worker.stop()
        writer._closed = True
    return writer


class _Writers(Quiet):
    name = "tensorboard_writers"
    module = "tensorboard.summary.writer.event_file_writer"

    def reducers(self) -> Mapping[type, Reducer]:
        return {event_file_writer._AsyncWriter: reduce_writer}

    def before_fork(self) -> dict[str, int]:
        """Let the threads write what is queued, as the program's own flush() does; path -> bytes then in the file."""
        sizes: dict[str, int] = {}
        for thread in _writers():
            queue = thread._queue
            with queue.all_tasks_done:
                if not queue.all_tasks_done.wait_for(lambda q=queue: not q.unfinished_tasks, _DRAIN_SECONDS):
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
