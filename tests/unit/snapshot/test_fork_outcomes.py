"""How a child ends, and what the program may believe of it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from forks import DEADLINE, run

from forkpoint import _native
from forkpoint.errors import Refused
from forkpoint.report import Report
from forkpoint.snapshot import forker, hang, reaper
from forkpoint.snapshot.child import Body


def test_a_hung_child_is_killed_at_its_deadline(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    handle = forker.fork(lambda side: signal.pause(), keep_fds=(writer,), deadline_seconds=0.2)
    os.close(writer)
    began = time.monotonic()
    report = handle.wait()
    assert report is not None
    assert report.status == "?"
    assert "deadline" in report.message
    assert time.monotonic() - began < 5
    assert os.read(reader, 1) == b"", "the child held this pipe"
    os.close(reader)


def test_a_hung_child_whose_program_is_dead_ends_by_itself_and_with_it_what_runs_beside_it() -> None:
    for body in ("signal.pause()", '_native.end_with(_native.spawn(b"/bin/sleep", [b"sleep", b"1000"], []))'):
        program = f"""
import os, signal
from forkpoint import _native
from forkpoint.snapshot import forker
forker.fork(lambda side: {body}, deadline_seconds=0.3, keep_fds=(int(os.environ["HELD"]),))
os.kill(os.getpid(), signal.SIGKILL)
"""
        reader, writer = os.pipe()
        held = 500
        os.dup2(writer, held)
        subprocess.run(
            [sys.executable, "-c", program], pass_fds=(held,), env={**os.environ, "HELD": str(held)}, check=False
        )
        os.close(writer)
        os.close(held)
        ready, _, _ = select.select([reader], [], [], DEADLINE)
        assert ready, "the child outlived its deadline"
        assert os.read(reader, 1) == b""
        os.close(reader)


def test_a_child_that_waits_for_an_inherited_lock_is_killed_long_before_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hang, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(reaper, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(hang, "HANG_SECONDS", 0.2)
    lock = threading.Lock()
    with lock:
        handle = forker.fork(lambda side: lock.acquire(), deadline_seconds=DEADLINE)
        report = handle.wait(DEADLINE / 2)
    assert report is not None
    assert report.status == "?"
    assert "hung on a lock" in report.message


def test_a_child_that_sleeps_or_waits_for_others_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hang, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(reaper, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(hang, "HANG_SECONDS", 0.1)
    reader, writer = os.pipe()
    handle = forker.fork(
        lambda side: Report("K", message=str(os.read(reader, 1))), keep_fds=(reader,), deadline_seconds=DEADLINE
    )
    assert handle.wait(0.5) is None
    os.write(writer, b"x")
    report = handle.wait()
    assert report is not None
    assert report.status == "K"
    os.close(reader)
    os.close(writer)


def test_a_killed_child_is_unknown_and_never_durable(hanging: Callable[[], forker.ChildHandle]) -> None:
    handle = hanging()
    assert handle.poll() is None
    assert handle.wait(0.01) is None
    handle.kill()
    report = handle.wait()
    assert report is not None
    assert report.status == "?"


def _outlived(code: str) -> Body:
    """A child that dies at once, and leaves a process behind that has the pipe, as a committer may for a while."""

    def body(side: forker.ChildSide) -> None:
        fd = side.report_fd
        words = f"import os, time\nfrom forkpoint.report import Report, send\nfd = {fd}\n{code}"
        subprocess.Popen([sys.executable, "-c", words], pass_fds=[fd])
        os.kill(os.getpid(), signal.SIGKILL)

    return body


def test_the_outcome_of_a_dead_child_is_open_while_its_committer_may_still_commit() -> None:
    body = _outlived("time.sleep(0.3); send(fd, Report('K', '5' * 32))")
    report = forker.fork(body, deadline_seconds=DEADLINE).wait()
    assert report is not None
    assert (report.status, report.point) == ("K", "5" * 32)


def test_nobody_waits_for_long_for_a_stranger_that_has_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaper, "_PIPE_SECONDS", 0.2)
    began = time.monotonic()
    report = forker.fork(_outlived("time.sleep(4)"), deadline_seconds=DEADLINE).wait()
    assert report is not None
    assert report.status == "?" and "SIGKILL" in report.message
    assert time.monotonic() - began < 4.0


def test_a_child_that_crashes_is_named_by_its_signal() -> None:
    report = forker.fork(lambda side: os.kill(os.getpid(), signal.SIGSEGV), deadline_seconds=DEADLINE).wait()
    assert report is not None
    assert report.status == "?"
    assert "SIGSEGV" in report.message


def test_an_exception_in_the_child_comes_back_with_where_it_was() -> None:
    def fail() -> None:
        raise ValueError("too many chunks")

    report = forker.fork(lambda side: fail(), deadline_seconds=DEADLINE).wait()
    assert report is not None
    assert report.status == "F"
    assert report.message.startswith("ValueError: too many chunks\n")
    assert "in fail" in report.message


def test_a_refusal_in_the_child_is_not_now_with_its_reason_first() -> None:
    def refuse() -> None:
        raise Refused("an open autograd graph", location="train.py:3 in step")

    report = forker.fork(lambda side: refuse(), deadline_seconds=DEADLINE).wait()
    assert report is not None
    assert (report.status, report.message) == ("N", "an open autograd graph\ntrain.py:3 in step")


def test_work_that_ends_without_an_answer_has_failed() -> None:
    report = forker.fork(lambda side: None, deadline_seconds=DEADLINE).wait()
    assert report is not None
    assert report.status == "F"


def test_a_program_beside_the_child_reports_through_the_inherited_pipe() -> None:
    def body(side: forker.ChildSide) -> None:
        os.set_inheritable(side.report_fd, True)
        code = f"from forkpoint import report; report.send({side.report_fd}, report.Report('K', 'abc', 7))"
        path, environment = os.fsencode(sys.executable), [f"PYTHONPATH={os.pathsep.join(sys.path)}".encode()]
        _native.end_with(_native.spawn(path, [path, b"-c", code.encode()], environment))

    report = forker.fork(body, deadline_seconds=DEADLINE).wait()
    assert report is not None
    assert (report.status, report.point, report.seq) == ("K", "abc", 7)


def test_freed_memory_is_not_shared_with_the_child() -> None:
    """Pages that malloc keeps for the next allocation are not there any more, so that nobody copies them."""
    program = """
import ctypes, os
from forkpoint.report import Report
from forkpoint.snapshot import forker
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.free(libc.malloc(30 << 20))  # from here on blocks of this size come from the heap
block, above = libc.malloc(20 << 20), libc.malloc(1 << 20)
ctypes.memset(block, 1, 20 << 20)
libc.free(block)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before = resident()
child = forker.fork(lambda side: Report("K"), deadline_seconds=20)
print((before - resident()) >> 20, child.wait().status)
"""
    freed, status = run(program).split()
    assert int(freed) >= 18
    assert status == "K"


def test_the_child_reads_the_times_told_after_the_fork() -> None:
    reader, writer = os.pipe()

    def body(side: forker.ChildSide) -> Report:
        os.read(reader, 1)
        return Report("K", message=str(side.split()))

    handle = forker.fork(body, deadline_seconds=DEADLINE, keep_fds=(reader,))
    handle.publish(wait=0.001, capture=0.002, fork=0.003, stop=0.006)
    os.write(writer, b"x")
    report = handle.wait()
    assert report is not None
    stage = 1000 * handle.staged[0]
    told = f"stage_ms={stage}, fork_ms={1000 * (0.003 - handle.staged[0])}"
    assert report.message == f"Split(wait_ms=1.0, capture_ms=2.0, {told}, stop_ms=6.0)"
    os.close(reader)
    os.close(writer)


def test_in_a_fork_of_the_program_the_child_of_its_parent_is_unknown(hanging: Callable[[], forker.ChildHandle]) -> None:
    handle = hanging()
    pid = os.fork()
    if pid == 0:
        handle.kill()
        report = handle.poll()
        os._exit(report is None or report.status != "?")
    assert os.waitpid(pid, 0)[1] == 0
    assert handle.poll() is None
