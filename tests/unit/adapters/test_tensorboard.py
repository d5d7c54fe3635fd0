"""TensorBoard: event files go on without a step lost or doubled."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from in_memory import again, dumps, loads

from forkpoint.capture import ambient
from forkpoint.errors import Refused

tensorboard = pytest.importorskip("torch.utils.tensorboard")


@pytest.fixture
def writer(tmp_path: Path) -> Any:
    return tensorboard.SummaryWriter(str(tmp_path))


def asynchronous(writer: Any) -> Any:
    """The part that has the queue and the thread."""
    return writer._get_file_writer().event_writer._async_writer


def waits_for_more(own: Any) -> None:
    """Until its thread sleeps in `get`, for as long as two minutes."""
    while not own._byte_queue.not_empty._waiters:
        time.sleep(0.01)


def steps(folder: Path) -> list[int]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    (path,) = folder.iterdir()
    return [event.step for event in EventFileLoader(str(path)).Load() if event.summary.value]


def test_event_files_go_on_where_they_were(writer: Any, tmp_path: Path) -> None:
    for step in range(5):
        writer.add_scalar("loss", step, step)
    data = dumps((writer, ambient.before_fork()["tensorboard_writers"]))
    writer.add_scalar("lost", 1, 99)
    writer.flush()
    del writer
    back, state = loads(data)
    ambient.restore({"tensorboard_writers": state})
    for step in range(5, 8):
        back.add_scalar("loss", step, step)
    back.close()
    assert steps(tmp_path) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_program_that_stands_inside_put_is_not_waited_for(writer: Any) -> None:
    """It holds the queue's lock itself: whoever waits for that stands still for ever."""
    writer.add_scalar("loss", 0, 0)
    queue = asynchronous(writer)._byte_queue
    queue.join()
    with queue.mutex:
        queue.unfinished_tasks += 1
        threading.Timer(5, queue.mutex.release).start()  # so that a test that fails ends
        began = time.monotonic()
        with pytest.raises(Refused, match="writing its queue"):
            ambient.before_fork()
        assert time.monotonic() - began < 3
        queue.unfinished_tasks -= 1
        while queue.mutex.locked():
            time.sleep(0.1)
        queue.mutex.acquire()


def test_what_stands_inside_write_and_what_comes_after_use_one_queue_and_one_thread(writer: Any) -> None:
    writer.add_scalar("loss", 0, 0)
    own = asynchronous(writer)
    ambient.before_fork()
    waits_for_more(own)
    back, queue, lock, thread = again((writer, own._byte_queue, own._lock, own._worker))
    made = asynchronous(back)
    assert (made._byte_queue, made._lock, made._worker) == (queue, lock, thread)
    assert thread._queue is queue and thread.is_alive() and thread.name == own._worker.name
    waits_for_more(made)
    assert len(queue.not_empty._waiters) == 1, "the thread that is gone would be woken in its place"
    for one in (writer, back):
        one.close()


def test_a_closed_writer_has_a_thread_that_has_ended(writer: Any) -> None:
    own = asynchronous(writer)
    writer.close()
    made = again(own)
    assert made._closed and not made._worker.is_alive()
    made._worker.join()
    made.close()
