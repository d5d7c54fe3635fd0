"""The child is the program as it was, and harmless: what it reads, runs and holds."""

from __future__ import annotations

import gc
import os
import random
import select
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forks import DEADLINE, ask, run

from forkpoint.snapshot import forker


def test_the_child_reads_the_programs_random_state_unchanged() -> None:
    state = hash(random.getstate())
    assert ask(lambda: hash(random.getstate())) == str(state)


def test_threads_still_read_as_alive_in_the_child() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        assert ask(thread.is_alive) == "True"
    finally:
        release.set()
        thread.join()


def test_what_the_interpreter_says_of_itself_reads_as_in_the_program() -> None:
    def handler(signum: int, frame: object) -> None: ...

    def tracer(*event: object) -> None: ...

    before = signal.signal(signal.SIGUSR1, handler)
    traced = sys.gettrace()
    sys.settrace(tracer)
    try:
        answers = ask(lambda: (signal.getsignal(signal.SIGUSR1) is handler, sys.gettrace() is tracer, gc.isenabled()))
    finally:
        sys.settrace(traced)
        signal.signal(signal.SIGUSR1, before)
    assert answers == "(True, True, True)"


def test_the_child_has_only_the_descriptors_it_was_told_to_keep() -> None:
    kept = os.open("/dev/null", os.O_RDONLY)
    other = os.open("/dev/null", os.O_RDONLY)
    try:
        names = ask(lambda: {fd for fd in range(3, 4096) if _is_open(fd)} - {kept}, keep_fds=(kept,))
        assert _is_open(other)
    finally:
        os.close(kept)
        os.close(other)
    assert names.count(",") == 0, f"more than the report pipe: {names}"


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_the_child_does_not_hold_the_programs_pipe_open(hanging: Callable[[], forker.ChildHandle]) -> None:
    reader, writer = os.pipe()
    hanging()
    assert ask(lambda: None) == "None", "hygiene of the hanging child is over once a later one has answered"
    os.close(writer)
    ready, _, _ = select.select([reader], [], [], DEADLINE)
    assert ready
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_prints_of_the_child_appear_nowhere_but_in_its_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "log").open("wb") as log:
        ask(lambda: os.write(1, b"one") + os.write(2, b"two"), log_fd=log.fileno())
    ask(lambda: os.write(1, b"three"))
    assert (tmp_path / "log").read_bytes() == b"onetwo"
    assert capfd.readouterr().out == ""


def test_the_child_is_the_first_the_oom_killer_takes_and_is_nice() -> None:
    here = os.getpriority(os.PRIO_PROCESS, 0)
    found = ask(lambda: (Path("/proc/self/oom_score_adj").read_text().strip(), os.getpriority(os.PRIO_PROCESS, 0)))
    assert found == str(("1000", here + 10))
    assert Path("/proc/self/oom_score_adj").read_text().strip() != "1000"


def test_no_cyclic_collection_runs_in_the_child() -> None:
    ran: list[str] = []

    def note(phase: str, info: object) -> None:
        ran.append(phase)

    def allocate() -> int:
        keep: list[object] = []
        for _ in range(50_000):
            keep.append([keep])
        gc.collect()
        return len(ran)

    gc.callbacks.append(note)
    gc.collect()
    before = len(ran)
    try:
        assert ask(allocate) == str(before)
    finally:
        gc.callbacks.remove(note)


def test_no_trace_profile_or_monitoring_callback_runs_in_the_child() -> None:
    called: list[str] = []

    def tracer(frame: object, event: str, argument: object) -> Any:
        called.append(event)
        return tracer

    def work() -> int:
        called.clear()
        sum(n for n in range(3))
        return len(called)

    traced, profiled = sys.gettrace(), sys.getprofile()
    sys.settrace(tracer)
    sys.setprofile(lambda *event: called.append("profile"))
    monitoring = getattr(sys, "monitoring", None)
    if monitoring:
        tool = next(tool for tool in range(6) if monitoring.get_tool(tool) is None)  # others keep one of forkpoint's
        monitoring.use_tool_id(tool, "test")
        monitoring.register_callback(tool, monitoring.events.PY_START, lambda *event: called.append("monitoring"))
        monitoring.set_events(tool, monitoring.events.PY_START)
    try:
        answer = ask(work)
    finally:
        sys.settrace(traced)
        sys.setprofile(profiled)
        if monitoring:
            monitoring.free_tool_id(tool)
    assert answer == "0"


def test_audit_hooks_of_the_program_do_not_run_in_the_child() -> None:
    program = """
import os, sys
from forkpoint.snapshot import forker
from forkpoint.report import Report
seen = []
sys.addaudithook(lambda event, args: seen.append(event))
def body(side):
    seen.clear()
    os.close(os.open("/dev/null", os.O_RDONLY))
    return Report("K", message=str(seen))
print(forker.fork(body, deadline_seconds=20).wait().message)
"""
    assert run(program) == "[]\n"


def test_calls_queued_for_the_program_run_in_the_program_only() -> None:
    program = """
import _imp, ctypes, functools, operator, os
from forkpoint import _native
ran = []
callback = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(lambda argument: ran.append(os.getpid()) or 0)
queue = ctypes.PyDLL(None).Py_AddPendingCall
_imp.acquire_lock()
begin = functools.partial(_native.fork, (), 1, None)
_, (pid, pidfd, *_) = map(operator.call, (functools.partial(queue, callback, None), begin))
_imp.release_lock()
for _ in range(100): pass
if pid == 0:
    os.write(1, b"child %d\\n" % len(ran))
    os._exit(0)
os.waitid(os.P_PIDFD, pidfd, os.WEXITED | 0x40000000)
print("program", len(ran))
"""
    assert run(program) == "child 0\nprogram 1\n"


def test_destructors_of_what_other_threads_hold_do_not_run_in_the_child(tmp_path: Path) -> None:
    mark = tmp_path / "finalized"

    class Loud:
        def __del__(self) -> None:
            with mark.open("a") as file:
                file.write(str(os.getpid()))

    held = threading.local()
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        held.loud = Loud()
        holding.set()
        release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    try:
        assert ask(mark.exists) == "False"
    finally:
        release.set()
        thread.join()


def test_a_child_has_a_deadline_before_anything_in_it_can_hang() -> None:
    """malloc's locks may be held by a thread that is not there, and Python's own work after a fork takes them."""
    program = """
import os, pathlib
from forkpoint import _native
import _imp
_imp.acquire_lock()
pid = _native.fork((), 1, None)[0]
if not pid:
    os._exit("signal: 9" not in pathlib.Path("/proc/self/timers").read_text())
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0x40000000)[1]))
"""
    run(program)
