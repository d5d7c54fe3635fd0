"""The child is invisible to its program: what that sees, and what is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from forks import DEADLINE, all_collected, run

from forkpoint import _native
from forkpoint.report import Report
from forkpoint.snapshot import forker
from forkpoint.snapshot.child import Body


@pytest.mark.parametrize("end", [os.wait, lambda: os.waitpid(-1, 0), lambda: os.waitid(os.P_ALL, 0, os.WEXITED)])
def test_no_wait_finds_the_child(end: Callable[[], object], hanging: Callable[[], forker.ChildHandle]) -> None:
    hanging()
    with pytest.raises(ChildProcessError):
        end()


def _ends_with(*arguments: bytes) -> Body:
    return lambda side: _native.end_with(_native.spawn(arguments[0], [*arguments], []))


def test_no_wait_finds_a_child_with_a_program_beside_it() -> None:
    handle = forker.fork(_ends_with(b"/bin/sleep", b"0.2"), deadline_seconds=DEADLINE)
    beside = Path(f"/proc/{handle.pid}/task/{handle.pid}/children")
    until = time.monotonic() + DEADLINE
    while "sleep" not in _command(beside):
        assert time.monotonic() < until
    with pytest.raises(ChildProcessError):
        os.wait()
    report = handle.wait()
    assert report is not None
    assert report.status == "?"


def _command(children: Path) -> str:
    try:
        return Path(f"/proc/{children.read_text().split()[0]}/cmdline").read_text()
    except (OSError, IndexError):
        return ""


@pytest.mark.parametrize("body", [lambda side: Report("K"), _ends_with(b"/bin/true")])
def test_the_end_of_a_child_sends_no_sigchld(body: Body) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGCHLD, lambda signum, frame: seen.append(signum))
    try:
        forker.fork(body, deadline_seconds=DEADLINE)
        all_collected()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert not seen


def test_no_descriptor_and_no_zombie_is_left_after_200_forks() -> None:
    def state() -> tuple[list[str], list[str]]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return sorted(os.listdir("/proc/self/fd")), children

    all_collected()
    before = state()
    for _ in range(200):
        handle = forker.fork(lambda side: Report("K"), deadline_seconds=DEADLINE)
        report = handle.wait()
        assert report is not None
        assert report.status == "K"
    all_collected()
    assert state() == before


def test_the_programs_next_descriptor_has_the_number_it_would_have_had(
    hanging: Callable[[], forker.ChildHandle],
) -> None:
    before = os.open("/dev/null", os.O_RDONLY)
    os.close(before)
    hanging()
    after = os.open("/dev/null", os.O_RDONLY)
    os.close(after)
    assert after == before


def test_a_command_the_program_starts_inherits_nothing_of_ours(hanging: Callable[[], forker.ChildHandle]) -> None:
    def inherited() -> set[str]:
        listing = subprocess.run(["ls", "/proc/self/fd"], close_fds=False, capture_output=True, text=True, check=True)
        return {fd for fd in listing.stdout.split() if int(fd) >= _native.DESCRIPTOR_MIN}

    before = inherited()
    hanging()
    assert inherited() == before


def test_at_fork_hooks_run_on_neither_side_and_still_run_for_the_programs_own_forks() -> None:
    program = """
import os
from forkpoint.snapshot import forker
from forkpoint.report import Report
calls = []
os.register_at_fork(before=lambda: calls.append("b"), after_in_parent=lambda: calls.append("p"),
                    after_in_child=lambda: calls.append("c"))
print(forker.fork(lambda side: Report("K", message=str(calls)), deadline_seconds=20).wait().message, calls)
if (pid := os.fork()) == 0:
    os._exit(calls != ["b", "c"])
print(calls, os.waitpid(pid, 0)[1])
"""
    assert run(program) == "[] []\n['b', 'p'] 0\n"


def test_a_fork_that_fails_says_so_and_leaves_nothing_open() -> None:
    program = """
import os, resource
from forkpoint.errors import CommitFailed
from forkpoint.snapshot import forker
before = os.listdir("/proc/self/fd")
os.setgid(65534); os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    forker.fork(lambda side: None, deadline_seconds=20)
except CommitFailed as failed:
    print(failed, os.listdir("/proc/self/fd") == before)
"""
    if os.getuid() != 0:
        pytest.skip("needs root to become somebody without processes")
    assert run(program) == "the program cannot be forked: Resource temporarily unavailable True\n"


def test_a_thread_other_than_the_main_one_may_not_fork() -> None:
    raised: list[BaseException] = []

    def attempt() -> None:
        try:
            forker.fork(lambda side: None, deadline_seconds=DEADLINE)
        except RuntimeError as error:
            raised.append(error)

    before = sorted(os.listdir("/proc/self/fd"))
    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert len(raised) == 1
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_descriptors_0_to_2_cannot_be_kept() -> None:
    with pytest.raises(ValueError, match="replaced in the child"):
        forker.fork(lambda side: None, keep_fds=(1,), deadline_seconds=DEADLINE)
