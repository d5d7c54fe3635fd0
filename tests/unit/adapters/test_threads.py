"""Threads and child processes: which stand in the way of a commit, and which come back."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from in_memory import again, dumps, loads

from forkpoint.capture import ambient, threads
from forkpoint.errors import Refused

_OF_PYTEST = {"a thread in read"}
"""xdist's worker reads its orders there."""


def blockers(*ignored: Any, **known: Any) -> tuple[str, ...]:
    """What a test's own threads and children put in the way."""
    return tuple(name for name in threads.blockers(*ignored, **known) if name not in _OF_PYTEST)


def test_nothing_stands_in_the_way_of_a_plain_program() -> None:
    assert blockers() == ()


def test_a_thread_stands_in_the_way_by_name_unless_ignored_and_until_it_ends() -> None:
    go, seen = threading.Event(), threading.Event()

    def work() -> None:
        seen.set()
        go.wait()

    thread = threading.Thread(target=work, name="loader-1")
    thread.start()
    seen.wait()
    assert blockers() == ("loader-1",)
    assert blockers(("loader-*",)) == ()
    go.set()
    thread.join()
    assert blockers() == ()


def test_a_thread_started_below_threading_is_seen() -> None:
    import _thread

    lock, seen = _thread.allocate_lock(), threading.Event()
    lock.acquire()

    def raw() -> None:
        seen.set()
        lock.acquire()

    _thread.start_new_thread(raw, ())
    seen.wait()
    assert blockers() == ("a thread in raw",)
    lock.release()


def test_an_idle_pool_is_harmless_and_made_again_a_busy_one_is_not() -> None:
    go, seen = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2, thread_name_prefix="pool") as pool:
        assert pool.submit(pow, 2, 3).result() == 8
        _until(lambda: blockers() == ())
        back = again(pool)
        assert back.submit(pow, 2, 4).result() == 16 and back._max_workers == 2
        back.shutdown()
        pool.submit(lambda: (seen.set(), go.wait()))
        seen.wait()
        assert blockers() == ("pool_0",)
        pool.submit(go.wait), pool.submit(go.wait)
        with pytest.raises(Refused):
            dumps(pool)
        go.set()


def _until(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_child_processes_stand_in_the_way_until_they_end() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (name,) = blockers()
    assert f"child process {child.pid}" in name
    _until(lambda: "input()" in blockers()[0])  # a process that has just begun has no command line yet
    assert blockers(own_pids={child.pid}) == ()
    child.communicate(b"\n")
    assert blockers() == () and child.returncode == 0


def test_looking_at_children_reaps_none_of_them() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert blockers() == ()
    assert os.waitpid(child.pid, 0)[0] == child.pid
    child.returncode = 0


def test_idle_process_pools_are_harmless_busy_ones_are_not() -> None:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(pow, (2, 3)) == 8
        _until(lambda: blockers() == ())
        result = pool.apply_async(time.sleep, (0.3,))
        assert any("_handle_results" in name for name in blockers())
        result.get()
        _until(lambda: blockers() == ())


def test_asking_costs_little() -> None:
    times = []
    for _ in range(20):
        start = time.perf_counter()
        blockers()
        times.append(time.perf_counter() - start)
    assert min(times) < 0.002


def test_a_pool_that_has_ended_comes_back_as_ended() -> None:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(abs, [-1]) == [1]
    for ended in (pool, again(pool)):
        ended.join()
        with pytest.raises(ValueError, match="Pool not running"):
            ended.map(abs, [-1])


def test_idle_workers_of_joblib_do_not_stand_in_the_way_and_busy_ones_are_named() -> None:
    source = (
        "import time\n"
        "from joblib import Parallel, delayed\n"
        "from forkpoint.capture import threads\n"
        "busy = Parallel(n_jobs=2, return_as='generator')(delayed(time.sleep)(0.2) for _ in range(4))\n"
        "next(busy)\n"
        "print(bool(threads.blockers()))\n"
        "list(busy)\n"
        "until = time.monotonic() + 10\n"
        "while threads.blockers() and time.monotonic() < until:\n"
        "    time.sleep(0.01)\n"
        "print(threads.blockers())\n"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split("\n")[:2] == ["True", "()"], done.stdout + done.stderr


class Drawn:
    """Stands for a live display: says when it is drawn, which lasts until it may end."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()

    def refresh(self) -> None:
        self.begun.set()
        self.may_end.wait()


def test_the_thread_that_draws_a_live_display_is_in_the_way_while_it_draws_and_is_started_again() -> None:
    live = pytest.importorskip("rich.live")
    threads_before = blockers()
    thread = live._RefreshThread(Drawn(), 0.01)
    thread.start()
    adapter = ambient._load("rich_displays")
    state = adapter.before_fork()
    assert state == [thread] and blockers() == threads_before  # it waits for its first turn
    (back,) = loads(dumps(state))
    thread.stop()
    assert not back.is_alive() and back.daemon and back.name == thread.name and back.refresh_per_second == 0.01
    back.refresh_per_second = 1000
    back.live.may_end.clear()
    adapter.restore((adapter.capture([])[0], [back]))
    assert back.live.begun.wait(10)
    assert back.name in blockers()
    back.live.may_end.set()
    back.stop()
    back.join(10)
    thread.join(0)


def test_looking_at_threads_leaves_nothing_that_the_collector_crashes_on() -> None:
    """CPython 3.12.1 does on a cycle through the frames of running threads, within a few rounds."""
    program = """
import gc, multiprocessing
from forkpoint.capture import threads
for _ in range(8):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply(pow, (2, 3))
        threads.blockers()
        result = pool.apply_async(pow, (2, 3))
        threads.blockers()
        result.get()
    gc.collect()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_the_loop_that_a_library_runs_in_a_thread_of_its_own_is_harmless_while_it_has_nothing_to_do() -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="zarr_io", daemon=True)
    thread.start()
    try:
        assert _settled(()) == ()
        busy = asyncio.run_coroutine_threadsafe(asyncio.sleep(30), loop)
        assert _settled(("zarr_io",)) == ("zarr_io",)
        busy.cancel()
        assert _settled(()) == ()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _settled(wanted: tuple[str, ...]) -> tuple[str, ...]:
    end = time.monotonic() + 5
    while (found := blockers()) != wanted and time.monotonic() < end:
        time.sleep(0.01)
    return found
