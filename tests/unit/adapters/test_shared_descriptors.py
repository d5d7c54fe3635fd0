"""Descriptors that were made from others. In processes of their own, whose standard output is a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import forkpoint

BEGINNING = """
import fcntl, os, sys
from forkpoint import _native
from forkpoint.capture.adapters.shared_descriptors import ADAPTER
def opened_anew(*numbers):
    for number in numbers:
        path, flags, at = os.readlink(f"/proc/self/fd/{number}"), fcntl.fcntl(number, fcntl.F_GETFL), 0
        made = os.open(path, flags)
        os.dup2(made, number)
        os.close(made)
"""


def run(program: str, where: Path) -> str:
    env = {**os.environ, "PYTHONPATH": str(Path(forkpoint.__file__).parents[1])}
    command = [sys.executable, "-c", BEGINNING + program]
    return subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, check=True).stdout


def test_a_program_that_has_copied_none_has_nothing_to_bring_back(tmp_path: Path) -> None:
    program = "file = open('a', 'w'); again = open('a', 'a'); null = open(os.devnull); print(ADAPTER.before_fork())"
    assert run(program, tmp_path) == "State(led=(), shared=())\n"


def test_two_numbers_of_one_description_share_their_offset_again(tmp_path: Path) -> None:
    program = """
first = open("log", "w", buffering=1)
second = os.fdopen(os.dup(first.fileno()), "w", buffering=1)
state = ADAPTER.before_fork()
opened_anew(first.fileno(), second.fileno())
assert not _native.same_description(first.fileno(), second.fileno())
ADAPTER.restore(state)
for number in range(3):
    print("one", number, file=first)
    print("two", number, file=second)
"""
    run(program, tmp_path)
    assert (tmp_path / "log").read_text() == "".join(f"one {number}\ntwo {number}\n" for number in range(3))


@pytest.mark.parametrize("closed", [False, True])
def test_standard_output_leads_to_the_programs_log_again_and_back(tmp_path: Path, closed: bool) -> None:
    program = f"""
log = open("log", "w")
saved = os.dup(1)
os.dup2(log.fileno(), 1)
if {closed}:
    log.close()
print("before", flush=True)
state = ADAPTER.before_fork()
os.dup2(saved, 1)
os.close(saved)
ADAPTER.restore(state)
print("after", flush=True)
os.dup2(saved, 1)
print("at the end", flush=True)
"""
    assert run(program, tmp_path) == "at the end\n"
    assert (tmp_path / "log").read_text() == "before\nafter\n"


def test_standard_error_goes_where_standard_output_goes(tmp_path: Path) -> None:
    program = """
error = os.dup(2)
os.dup2(1, 2)
state = ADAPTER.before_fork()
os.dup2(error, 2)
ADAPTER.restore(state)
print("said", file=sys.stderr, flush=True)
"""
    assert run(program, tmp_path) == "said\n"


def test_null_devices_are_led_to_but_each_is_its_own(tmp_path: Path) -> None:
    program = """
null = os.open(os.devnull, os.O_WRONLY)
error = os.dup(2)
os.dup2(null, 2)
state = ADAPTER.before_fork()
os.dup2(error, 2)
ADAPTER.restore(state)
print(os.readlink("/proc/self/fd/2"), os.write(2, b"x"), [one.fd for one in state.led])
"""
    assert run(program, tmp_path) == "/dev/null 1 [2]\n"
