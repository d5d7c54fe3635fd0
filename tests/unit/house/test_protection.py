"""Going without a restore point is told in time, with doubling gaps, by Python or by native code where it cannot."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from forkpoint import protection
from forkpoint.protection import Protection


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(protection, "monotonic", clock.monotonic)
    return clock


@pytest.fixture
def engine():
    return types.SimpleNamespace(
        settings=types.SimpleNamespace(require_within=None, quiet=True),
        obstacles=types.SimpleNamespace(why=lambda: "a sort key (train.py:7 in score)", advice=lambda: "do this"),
        parent=None,
        room=lambda: (100 << 30, 50 << 30),
    )


def told(protection, clock, capfd, *times):
    found = []
    for at in times:
        clock.now = 1000.0 + at
        protection.look()
        if "no restore point" in (err := capfd.readouterr().err):
            found.append(at)
            assert "a sort key (train.py:7 in score)" in err and "do this" in err
    return found


def test_the_warning_comes_after_five_minutes_and_then_with_doubling_gaps_also_under_q(clock, engine, capfd):
    watched = Protection(engine)
    watched.start(2.0)
    assert told(watched, clock, capfd, 299, 301, 302, 600, 603, 1205, 1207) == [301, 603, 1207]


def test_ten_long_intervals_may_go_by_first_and_a_restore_point_begins_anew(clock, engine, capfd):
    watched = Protection(engine)
    watched.start(60.0)
    assert told(watched, clock, capfd, 301, 599, 601) == [601]
    watched.ended(True)
    assert told(watched, clock, capfd, 1190, 1202) == [1202]


def test_a_nearly_full_disk_is_told_once(clock, engine, capfd):
    engine.room = lambda: (4 << 30, 5 << 30)
    watched = Protection(engine)
    for _ in range(2):
        watched.ended(True)
    assert capfd.readouterr().err.count("are free where the store is") == 1


def native(code):
    code = "import time\nfrom forkpoint import _native\n_native.guard_start(print, (), 1.0, 0)\n" + code
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


def test_the_native_warning_is_repeated_with_doubling_gaps_while_no_bytecode_runs():
    ran = native("_native.guard_alarm(0, 0.2, 'warned')\ntime.sleep(1.1)\n_native.guard_stop()\ntime.sleep(1)")
    assert ran.stderr == "warned\n" * 3 and ran.returncode == 0  # at 0.2, 0.4, 0.8


def test_the_native_stop_ends_the_process_unless_it_is_put_off():
    ran = native("_native.guard_alarm(1, 0.2, 'stopped')\n_native.guard_alarm(1, 1.0, 'later')\ntime.sleep(60)")
    assert (ran.stderr, ran.returncode) == ("later\n", 1)
