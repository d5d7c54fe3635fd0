"""What a commit takes from its program is measured, and decides when the next one is due."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forkpoint import limits
from forkpoint.autosave import next_interval, retry_seconds
from forkpoint.ending import Totals
from forkpoint.report import Report
from forkpoint.snapshot import forker
from forkpoint.snapshot.burden import FAULT_SECONDS, Burden, Reading, beyond, reading

counts = st.builds(Reading, st.floats(0.01, 100), st.integers(0, 10**7), st.floats(0, 100))


@given(counts, st.floats(0.01, 1))
def test_what_is_usual_counts_for_nothing(usual: Reading, share: float) -> None:
    ended = Reading(*(share * count for count in usual))
    assert beyond(usual, Reading(0.0, 0, 0.0), ended, 1e9) == pytest.approx(0.0, abs=1e-6)


@given(counts, counts, st.floats(0, 100))
def test_it_is_never_negative_and_no_more_than_all_there_was(usual: Reading, more: Reading, child: float) -> None:
    taken = beyond(usual, Reading(0.0, 0, 0.0), more, child)
    assert 0.0 <= taken <= more.faults * FAULT_SECONDS + min(more.waited, child) + 1e-6


def test_pages_that_are_touched_meanwhile_are_counted() -> None:
    burden = Burden()
    time.sleep(0.2)
    burden.begin()
    memory = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    memory[:: mmap.PAGESIZE] = bytes(len(memory) // mmap.PAGESIZE)
    assert burden.end(0.0) > 0.8 * len(memory) // mmap.PAGESIZE * FAULT_SECONDS


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="the kernel keeps no such times")
def test_waiting_for_a_core_is_counted() -> None:
    burden = Burden()
    cores = os.sched_getaffinity(0)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        os.sched_setaffinity(0, {min(cores)})
        for process in busy:
            os.sched_setaffinity(process.pid, {min(cores)})
        burden.begin()
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            pass
        assert 0.3 < burden.end(10.0) < 1.1
    finally:
        os.sched_setaffinity(0, cores)
        for process in busy:
            process.kill()
            process.wait()


def test_without_such_times_they_count_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forkpoint.snapshot.burden.read", lambda path: "")
    assert reading().waited == 0.0


@given(st.floats(0, 10), st.floats(0, 1000), st.floats(0.001, 0.5))
def test_auto_keeps_the_cost_within_its_share(cost: float, child: float, share: float) -> None:
    interval = next_interval(None, cost, child, share)
    assert limits.AUTO_SECONDS_MIN <= interval <= limits.AUTO_SECONDS_MAX
    if interval < limits.AUTO_SECONDS_MAX:
        assert cost <= share * interval * 1.000001 and 2 * child <= interval * 1.000001
    assert next_interval(0.2, cost, child, share) == 0.2


def test_after_children_that_came_to_nothing_the_next_try_is_soon_and_then_later() -> None:
    pauses = [retry_seconds(times, 0.02) for times in range(1, 100)]
    assert pauses[0] == pytest.approx(limits.RETRY_SECONDS_MAX * limits.RETRY_GROWTH)
    assert pauses == sorted(pauses) and pauses[-1] == pauses[-2] < 1000
    assert retry_seconds(1, 10.0) == pytest.approx(15.0), "a child that took long costs more"


def test_the_cost_is_the_stop_and_what_came_after_it_and_follows_slowly() -> None:
    totals = Totals(stop_seconds=0.1)
    totals.slowed(0.3)
    assert totals.cost_seconds == pytest.approx(0.4)
    totals.slowed(0.0)
    assert totals.cost_seconds == pytest.approx(0.25)
    assert totals.slowed_seconds == pytest.approx(0.3)


def test_the_program_learns_what_cpu_time_its_child_used() -> None:
    def work(side: forker.ChildSide) -> Report:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
        side.nearly_done()
        return Report("K")

    child = forker.fork(work, deadline_seconds=20)
    assert child.cpu_seconds == 0.0
    child.wait()
    told = child.cpu_seconds
    assert 0.2 <= told < 2.0
    while not child.gone:
        child.poll()
    assert child.cpu_seconds == told
