"""Locks, threads and signals of the program neither stop the child nor are stopped by it."""

from __future__ import annotations

import logging
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from forks import DEADLINE, ask, run


def test_locks_of_logging_and_imports_held_by_other_threads_do_not_hang_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slowly_imported.py").write_text("import builtins; builtins._importing.set(); builtins._go_on.wait()")
    monkeypatch.syspath_prepend(tmp_path)
    importing, go_on, logged = threading.Event(), threading.Event(), threading.Event()
    monkeypatch.setattr("builtins._importing", importing, raising=False)
    monkeypatch.setattr("builtins._go_on", go_on, raising=False)

    class Stuck(logging.StreamHandler[Any]):
        def emit(self, record: logging.LogRecord) -> None:
            logged.set()
            go_on.wait()

    handler = Stuck()

    def log() -> None:
        with logging._lock:  # type: ignore[attr-defined]
            handler.handle(logging.makeLogRecord({}))

    threads = [threading.Thread(target=log), threading.Thread(target=lambda: __import__("slowly_imported"))]
    for thread in threads:
        thread.start()
    logged.wait()
    importing.wait()
    try:

        def use() -> str:
            handler.acquire()
            logging.getLogger("new in the child").debug("hello")
            import slowly_imported  # type: ignore[import-not-found]

            return str(slowly_imported.__name__)

        assert ask(use) == "slowly_imported"
    finally:
        go_on.set()
        for thread in threads:
            thread.join()


def test_the_child_may_start_threads_with_stacks_of_any_size() -> None:
    def deep(depth: int) -> int:
        return depth and 1 + deep(depth - 1)

    def count() -> int:
        found: list[int] = []
        threading.stack_size(64 << 20)
        thread = threading.Thread(target=lambda: found.append(deep(500)))
        thread.start()
        thread.join()
        return found[0]

    release = threading.Event()
    other = threading.Thread(target=release.wait)
    other.start()
    try:
        assert ask(count) == "500"
    finally:
        release.set()
        other.join()


def test_20_rapid_forks_under_matmul_threads_all_answer_and_the_threads_go_on() -> None:
    program = """
import threading, time
import numpy as np
from forkpoint.snapshot import forker
from forkpoint.report import Report
a = np.random.rand(400, 400)
stop, rounds = False, [0, 0]
def multiply(i):
    while not stop:
        a @ a
        rounds[i] += 1
threads = [threading.Thread(target=multiply, args=(i,)) for i in range(2)]
for t in threads: t.start()
hung = 0
for _ in range(20):
    report = forker.fork(lambda side: Report("K", message=str(float(a.sum()))), deadline_seconds=5).wait()
    hung += report.status != "K"
    assert report.status in "K?", report
before = list(rounds)
deadline = time.monotonic() + 20
while not all(now > then for now, then in zip(rounds, before)) and time.monotonic() < deadline: time.sleep(.001)
print(all(now > then for now, then in zip(rounds, before)), hung)
stop = True
for t in threads: t.join()
float((a @ a).sum())
"""
    went_on, hung = run(program, timeout=120).split()
    assert went_on == "True"
    assert int(hung) <= 1, "a child may hang on a malloc lock and is then killed; it must be rare"


GROUP_PROGRAM = """
import os, signal, sys, time
from forkpoint.snapshot import forker
from forkpoint.report import Report
handled = []
for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM):
    signal.signal(s, lambda n, f: handled.append(n))
go_r, go_w = os.pipe()
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
def body(side):
    os.read(go_r, 1)
    os.write(out, b"handled in the child: %d" % len(handled))
    return Report("K", message="survived")
handle = forker.fork(body, deadline_seconds=20, keep_fds=(go_r, out))
for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM, signal.SIGTSTP, signal.SIGPIPE):
    if s != signal.SIGTSTP:
        before, deadline = len(handled), time.monotonic() + 10
        try:
            os.killpg(0, s)
            while len(handled) == before and s != signal.SIGPIPE and time.monotonic() < deadline:
                time.sleep(0.001)
        except KeyboardInterrupt:
            handled.append(s)
    else:
        for child in open(f"/proc/{handle.pid}/task/{handle.pid}/children").read().split():
            os.kill(int(child), s)
os.write(go_w, b"x")
report = handle.wait()
print(report.status, report.message, len(handled))
"""


def test_ctrl_c_and_other_signals_to_the_group_do_not_end_the_child_or_run_its_handlers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GROUP_PROGRAM, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        process_group=0,
    )
    assert done.stdout == "K survived 5\n", done.stderr
    assert (tmp_path / "out").read_text() == "handled in the child: 0"


def test_the_child_of_a_program_killed_right_after_the_fork_finishes(tmp_path: Path) -> None:
    program = f"""
import os, signal
from forkpoint import _native
from forkpoint.snapshot import forker
reader, writer = os.pipe()
code = b"echo durable > {tmp_path}/point.tmp; mv {tmp_path}/point.tmp {tmp_path}/point"
def body(side):
    while os.getppid() == 0: pass
    os.read(reader, 1)  # End of file: the program is dead.
    _native.end_with(_native.spawn(b"/bin/sh", [b"sh", b"-c", code], [b"PATH=/bin:/usr/bin"]))
forker.fork(body, deadline_seconds=20, keep_fds=(reader,))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=30, check=False)
    assert done.returncode == -signal.SIGKILL
    until = time.monotonic() + DEADLINE
    while not (tmp_path / "point").exists():
        assert time.monotonic() < until
        select.select([], [], [], 0.01)
    assert (tmp_path / "point").read_text() == "durable\n"
