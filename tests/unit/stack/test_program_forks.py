"""What the program sees of our threads when it forks by itself: nothing; and what we lose by it: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def run(code: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: the test runner's has threads already."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=os.path.dirname(__file__),  # not the checkout, whose forkpoint may not be the one under test
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


FORK = """
    import os, signal, time
    from forkpoint import _native

    def threads():
        return len(os.listdir("/proc/self/task"))

    def fork():
        pid = os.fork()
        if pid == 0:
            os._exit(threads() != 1)
        return os.waitpid(pid, 0)[1]
"""


def test_a_fork_of_the_program_finds_no_thread_of_ours_and_they_are_back_after_it() -> None:
    ran = run(
        FORK
        + """
    _native.ticks_start(lambda: None, 60)
    _native.guard_start(lambda *args: None, (), 1.0, 0)
    assert threads() == 3, threads()
    for _ in range(50):
        assert fork() == 0
        assert threads() == 3, threads()
    _native.guard_stop()
    _native.ticks_stop()
    assert threads() == 1, threads()
    """
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_ticks_come_though_the_program_forks_more_often() -> None:
    ran = run(
        FORK
        + """
    came = []
    _native.ticks_start(lambda: came.append(1), 0.2)
    end = time.monotonic() + 20
    while len(came) < 3 and time.monotonic() < end:
        assert fork() == 0
    _native.ticks_stop()
    assert len(came) == 3, came
    """
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_signal_and_an_alarm_come_through_though_the_program_forks_all_the_time() -> None:
    ran = run(
        FORK
        + """
    came = []

    def asked(signum, ago):
        came.append(signum)
        _native.guard_pass_on(signum)

    signal.signal(signal.SIGUSR1, lambda *args: came.append("the program's"))
    _native.guard_start(asked, (signal.SIGUSR1,), 5.0, 0)
    _native.guard_alarm(0, 0.6, "late")
    end = time.monotonic() + 1.0
    sent = False
    while time.monotonic() < end or len(came) < 2:
        fork()
        if not sent and end - time.monotonic() < 0.8:
            sent = True
            os.kill(os.getpid(), signal.SIGUSR1)
            fork()
    _native.guard_stop()
    assert came == [signal.SIGUSR1, "the program's"], came
    """
    )
    assert (ran.returncode, ran.stderr) == (0, "late\n")


def test_a_stop_right_after_a_fork_leaves_no_thread() -> None:
    ran = run(
        FORK
        + """
    _native.ticks_start(lambda: None, 60)
    os.register_at_fork(after_in_parent=_native.ticks_stop)
    fork()
    assert threads() == 1, threads()
    """
    )
    assert (ran.returncode, ran.stderr) == (0, "")
