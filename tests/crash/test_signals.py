"""SIGTERM takes a last checkpoint, then what the program would have done happens; it sees nothing of that."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

COUNTING = """
    import time
    print("ready", flush=True)
    total = 0
    for i in range(200):
        total += i
        print("step", i, total, flush=True)
        end = time.monotonic() + 0.02
        while time.monotonic() < end:
            pass
    print("end", total)
"""


class Live:
    """A program under `run`, started and ready to be signalled."""

    def __init__(self, here, *options, ready=b"ready\n", env=None, **more):
        self.process = subprocess.Popen(
            [here.python, *here.run_argv(*options)],
            env=here.env | (env or {}),
            cwd=here.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,  # or the first line read would take more with it
            **more,
        )
        self.first = self.process.stdout.readline()
        assert ready in (None, self.first), self.process.communicate()[1].decode()[-2000:]

    def end(self, *signals, after=0.3, between=0.3):
        time.sleep(after)
        for number in signals:
            self.process.send_signal(number)
            time.sleep(between)
        out, self.err = self.process.communicate(timeout=60)
        self.out = self.first + out
        return self.process.returncode


def test_sigterm_takes_a_last_checkpoint_exits_75_and_the_next_run_goes_on(make):
    here = make(COUNTING)
    oracle = here.oracle()
    live = Live(here)
    assert live.end(signal.SIGTERM) == 75, live.err.decode()[-2000:]
    run = here.json("log")["runs"][0]
    assert (run["state"], run["exit"]) == ("died", 75)
    assert [p["trigger"] for p in run["points"]][-1] == "signal"
    assert here.json("show", "latest")["stdout_bytes"] == len(live.out), "nothing was printed past the point"
    assert f"forkpoint restore {run['points'][0]['id'][:12]}".encode() in live.err
    resumed = here.run()
    assert (resumed.status, live.out + resumed.out) == (0, oracle.out), resumed.err.decode()[-2000:]


def test_a_handler_of_the_program_runs_after_the_last_checkpoint(make):
    here = make("""
        import signal, sys, time
        def stop(number, frame):
            print("handler", number, signal.getsignal(signal.SIGTERM) is stop, flush=True)
            sys.exit(7)
        print("default", signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, flush=True)
        print("before", signal.signal(signal.SIGTERM, stop) is signal.SIG_DFL, flush=True)
        print("ready", flush=True)
        while True:
            time.sleep(0.01)
    """)
    live = Live(here, ready=b"default True\n")
    assert live.end(signal.SIGTERM, after=1) == 7, live.err.decode()[-2000:]
    assert live.out == b"default True\nbefore True\nready\nhandler 15 True\n"
    run = here.json("log")["runs"][0]
    assert [p["trigger"] for p in run["points"]][-1] == "signal" and run["state"] == "finished"


def test_a_handler_that_only_notes_lets_the_program_end_by_itself(make):
    here = make("""
        import signal, time
        asked = []
        signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
        print("ready", flush=True)
        while not asked:
            time.sleep(0.01)
        print("cleaning up", asked, flush=True)
    """)
    live = Live(here)
    assert (live.end(signal.SIGTERM), live.out) == (0, b"ready\ncleaning up [15]\n"), live.err.decode()[-2000:]
    assert [p["trigger"] for p in here.json("log")["runs"][0]["points"]][-1] == "signal"


def test_an_ignored_sigterm_stays_ignored(make):
    here = make("""
        import signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = "import signal; print(signal.getsignal(signal.SIGTERM) is signal.SIG_IGN, flush=True)"
        subprocess.run([sys.executable, "-c", child])
        time.sleep(1)
        print("end", flush=True)
    """)
    live = Live(here, ready=b"True\n")
    assert (live.end(signal.SIGTERM), live.out) == (0, b"True\nend\n"), live.err.decode()[-2000:]


def test_a_second_sigterm_stops_now(make):
    here = make("""
        import time
        print("ready", flush=True)
        time.sleep(60)
    """)
    live = Live(here)
    began = time.monotonic()
    assert live.end(signal.SIGTERM, signal.SIGTERM) == -signal.SIGTERM, live.err.decode()[-2000:]
    assert time.monotonic() - began < 20


def test_inside_a_long_c_call_the_program_dies_when_the_grace_is_over_and_says_so(make):
    here = make("""
        import time, forkpoint
        forkpoint.checkpoint(wait=True)
        print("ready", flush=True)
        time.sleep(60)
    """)
    live = Live(here, "--grace", "1")
    assert live.end(signal.SIGTERM) == -signal.SIGTERM, live.err.decode()[-2000:]
    assert b"within the grace" in live.err
    assert here.json("log")["runs"][0]["state"] == "died"


def test_inside_a_long_c_call_a_handler_of_the_program_still_runs(make):
    here = make("""
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(4))
        print("ready", flush=True)
        time.sleep(60)
    """)
    live = Live(here, "--grace", "1")
    assert live.end(signal.SIGTERM) == 4, live.err.decode()[-2000:]


def test_a_program_whose_commits_are_refused_gets_its_signal_and_the_reason_is_said(make):
    here = make("""
        import threading, time
        threading.Thread(target=time.sleep, args=(60,), daemon=True, name="in the way").start()
        print("ready", flush=True)
        while True:
            time.sleep(0.01)
    """)
    live = Live(here, "--grace", "2")
    assert live.end(signal.SIGTERM) == -signal.SIGTERM, live.err.decode()[-2000:]
    assert b"in the way" in live.err


def test_forks_of_the_program_die_of_sigterm_as_ever(make):
    here = make("""
        import os, signal, time
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
        print("ready", flush=True)
        time.sleep(0.2)
        os.kill(pid, signal.SIGTERM)
        print(os.waitpid(pid, 0)[1], flush=True)
    """)
    live = Live(here)
    assert (live.end(), live.out) == (0, b"ready\n15\n"), live.err.decode()[-2000:]


@pytest.mark.parametrize("batch", [True, False])
def test_slurms_own_signal_counts_inside_of_a_job_only(make, batch):
    here = make(COUNTING)
    live = Live(here, env={"SLURM_JOB_ID": "7"} if batch else {})
    assert live.end(signal.SIGUSR1) == (75 if batch else -signal.SIGUSR1), live.err.decode()[-2000:]


def test_under_a_supervisor_a_signal_to_the_whole_group_asks_once(make):
    here = make(COUNTING)
    live = Live(here, "--restarts", "3")
    time.sleep(0.3)
    os.killpg(live.process.pid, signal.SIGTERM)
    assert live.end() == 75, live.err.decode()[-2000:]
    assert [p["trigger"] for p in here.json("log")["runs"][0]["points"]][-1] == "signal"


def test_a_supervisor_passes_signals_on_and_keeps_the_exit_status(make):
    here = make(COUNTING)
    live = Live(here, "--restarts", "3")
    assert live.end(signal.SIGTERM) == 75, live.err.decode()[-2000:]
    (here.work / "program.py").write_text("import sys; print('ready', flush=True); sys.exit(9)")
    live = Live(here, "--restarts", "3")
    assert (live.end(), live.out) == (9, b"ready\n")


def test_a_supervisor_that_is_killed_takes_the_program_with_it(make):
    here = make("""
        import os, time
        print("ready", flush=True)
        open("pid", "w").write(str(os.getpid()))
        time.sleep(60)
    """)
    live = Live(here, "--restarts", "3")
    time.sleep(0.3)
    pid = int((here.work / "pid").read_text())
    assert pid != live.process.pid
    assert live.end(signal.SIGKILL) == -signal.SIGKILL
    for _ in range(200):
        if not os.path.exists(f"/proc/{pid}"):
            break
        time.sleep(0.05)
    else:
        pytest.fail("the program lives on")


def test_without_restarts_the_process_started_is_the_program(make):
    here = make("import os; print(os.getpid())")
    live = Live(here, ready=None)
    assert (live.end(after=0), live.first) == (0, b"%d\n" % live.process.pid), live.err.decode()[-2000:]
