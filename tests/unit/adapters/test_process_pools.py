"""Open pools of processes come back with workers like those they had, or refuse."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from in_memory import Lost, again, dumps, loads

from forkpoint.capture import ambient, forks
from forkpoint.capture.adapters import process_executors
from forkpoint.errors import Refused

FACTOR = [3]
known: list[int] = []


def times(n: int) -> int:
    return n * FACTOR[0] + sum(known)


def prepare(extra: int) -> None:
    known.append(extra)
    os.write(1, b"ready\n")


def pid_and_name(_: int) -> tuple[int, str]:
    time.sleep(0.05)
    return os.getpid(), multiprocessing.current_process().name


@pytest.fixture(autouse=True)
def _watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This module is the program's: what its functions read counts."""
    monkeypatch.setattr(times, "__module__", "__main__")
    monkeypatch.setitem(sys.modules, "__main__", sys.modules[__name__])
    forks.watch()
    yield
    forks._watching.clear()
    FACTOR[0] = 3
    sys.modules["forkpoint.capture.adapters.process_pools"]._to_begin.clear()


def restored(value: Any) -> Any:
    adapter = ambient._load("process_pools")
    state, back = loads(dumps((adapter.capture(adapter.before_fork()), value)))
    adapter.restore(state)
    return back


def test_an_idle_pool_has_workers_of_the_same_names_and_settings_again(capfd: pytest.CaptureFixture[str]) -> None:
    with multiprocessing.get_context("fork").Pool(2, prepare, (10,)) as pool:
        before = {name for _, name in pool.map(pid_and_name, range(6), chunksize=1)}
        assert pool.map(times, [1, 2]) == [13, 16]
        assert capfd.readouterr().out == "ready\n" * 2
        back = restored(pool)
        with back:
            assert back.map(times, [1, 2]) == [13, 16]
            assert {name for _, name in back.map(pid_and_name, range(6), chunksize=1)} <= before
            assert not {worker.pid for worker in back._pool} & {worker.pid for worker in pool._pool}
            assert capfd.readouterr().out == "", "their output is there already"
            once_more = restored(back)
            assert once_more.apply(times, (1,)) == 13
            once_more.terminate()
    assert back._state == "TERMINATE"


@pytest.mark.parametrize("way", ["map", "starmap", "imap", "apply_async", "submit"])
def test_a_global_that_a_task_reads_must_not_have_changed(way: str) -> None:
    pool: Any
    with (ProcessPoolExecutor if way == "submit" else multiprocessing.get_context("fork").Pool)(2) as pool:
        if way == "submit":
            assert pool.submit(times, 1).result() == 3
            assert list(pool.map(times, [1])) == [3]
        elif way == "apply_async":
            assert pool.apply_async(times, (1,)).get() == 3
        else:
            assert list(getattr(pool, way)(times, [(1,)] if way == "starmap" else [1])) == [3]
        assert type(again(pool)) is type(pool)
        FACTOR[0] = 4
        with pytest.raises(Refused, match="times.*has changed"):
            dumps(pool)


def test_the_only_worker_of_a_pool_may_remember() -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool, pytest.raises(Refused, match="one worker"):
        dumps(pool)


def test_results_that_have_come_are_kept_and_those_to_come_refuse() -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        done, many = pool.apply_async(times, (2,)), pool.imap(times, range(3))
        assert (done.get(), next(many)) == (6, 0)
        time.sleep(0.2)
        back = again([done, many])
        assert (back[0].get(), list(back[1])) == (6, [3, 6])
        with pytest.raises(Refused, match="at work"):
            dumps(pool.apply_async(time.sleep, (1,)))


def test_executors_and_thread_pools_start_anew() -> None:
    with ProcessPoolExecutor(2, initializer=prepare, initargs=(5,)) as executor:
        assert executor.submit(times, 1).result() == 8
        with again(again(executor)) as back:
            assert list(back.map(times, [1, 2])) == [8, 11]
    with pytest.raises(RuntimeError, match="after shutdown"):
        again(executor).submit(times, 1)
    with ThreadPool(1) as threads, restored(threads) as back_threads:
        assert back_threads.map(times, [2]) == [6]


def test_an_open_connection_is_a_tombstone_and_a_closed_one_is_saved() -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    for end in (reader, writer):
        assert isinstance(loads(dumps(end)), Lost)
        end.close()
        assert loads(dumps(end)).closed


def test_no_commit_in_the_middle_of_a_submit() -> None:
    """Its task may be done already, and the executor idle, while it writes to the pipe that wakes a thread."""
    assert ProcessPoolExecutor.submit.__code__ in process_executors.ADAPTER.inside
