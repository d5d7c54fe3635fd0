"""The clocks that only count go on from where they were, whoever took which function of `time` when."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

FAR = 10**15
"""Nanoseconds, eleven days: no machine that runs tests is this close to it by chance."""


def _ran(code: str) -> str:
    """In a process of its own: its clocks do not come back."""
    before = "import os, threading, time\nfrom time import perf_counter as taken\nfrom forkpoint import _native\n"
    command = [sys.executable, "-c", before + textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", ["monotonic", "perf_counter", "process_time", "thread_time"])
def test_each_goes_on_in_seconds_and_in_nanoseconds(name: str) -> None:
    said = _ran(
        f"""
        kept = time.{name}
        _native.clocks_go_on({FAR}, {FAR}, {FAR})
        print({FAR} <= time.{name}_ns() < {FAR} + 60 * 10**9, {FAR} / 1e9 <= time.{name}() < {FAR} / 1e9 + 60)
        print(time.{name} is kept, repr(kept), time.{name}.__doc__ == kept.__doc__ != None, time.{name}.__module__)
        """
    )
    assert said == f"True True\nTrue <built-in function {name}> True time\n"


def test_functions_that_were_taken_before_and_the_hot_calls_of_them_go_on_too() -> None:
    said = _ran(
        f"""
        def hot():
            return taken(), threading._time()
        for _ in range(1000): hot()
        _native.clocks_go_on({FAR}, 0, 0)
        print(all(clock >= {FAR} / 1e9 for clock in hot()))
        """
    )
    assert said == "True\n"


def test_a_program_that_comes_back_again_goes_on_from_what_it_saw() -> None:
    said = _ran(
        f"""
        _native.clocks_go_on({FAR}, 5, 5)
        second = _native.clocks_read()
        _native.clocks_go_on(*second)
        third = _native.clocks_read()
        print({FAR} <= second[0] <= third[0] < {FAR} + 60 * 10**9, second[1] <= third[1] < 60 * 10**9)
        """
    )
    assert said == "True True\n"


def test_the_cpu_time_of_other_threads_and_of_forked_processes_is_their_own() -> None:
    said = _ran(
        f"""
        _native.clocks_go_on(0, {FAR}, {FAR})
        thread = threading.Thread(target=lambda: print(time.thread_time() < 60, time.process_time() > 60))
        thread.start(); thread.join()
        if os.fork() == 0:
            print(time.thread_time() < 60, time.process_time() < 60, flush=True)
            os._exit(0)
        os.wait()
        """
    )
    assert sorted(said.splitlines()) == ["True True", "True True"]
