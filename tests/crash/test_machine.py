"""The disk of the store fills up or turns read-only or slow, the clock jumps: what stress/ does at length, in short."""

from __future__ import annotations

import subprocess
import sys

import pytest
from harness import ROOT, tail

CANNOT = 77


def stress(script: str, *words: str) -> str:
    """Run one of stress/'s programs; skip where the machine gives us no mounts of our own."""
    command = [sys.executable, str(ROOT / "stress" / script), *words]
    ran = subprocess.run(command, capture_output=True, timeout=300, check=False)
    if ran.returncode == CANNOT:
        pytest.skip(ran.stderr.decode().strip())
    said = ran.stdout.decode()
    assert ran.returncode == 0, tail(ran.stdout + ran.stderr)
    if "not run" in said:
        pytest.skip(said.strip())
    assert "PASS" in said
    return said


@pytest.mark.parametrize("kind", ["inodes", "file-size", "small-blocks"])
def test_a_disk_that_fills_up_costs_restore_points_but_no_program_and_no_store(kind, python, level):
    if level == "reduced" and kind != "small-blocks":
        pytest.skip("not at this level")
    stress("full_disk.py", "--python", python, kind)


def test_a_disk_that_turns_read_only_costs_restore_points_but_no_program(python, level):
    if level == "reduced":
        pytest.skip("not at this level")
    stress("read_only_disk.py", "--python", python, "covered")


def test_a_wall_clock_that_jumps_changes_no_order(python, level):
    if level == "reduced":
        pytest.skip("not at this level")
    stress("wall_clock.py", "--python", python, "to and fro")


def test_a_slow_disk_makes_commits_rare_and_no_program_wait(python, level):
    if level == "reduced":
        pytest.skip("not at this level")
    stress("slow_disk.py", "--python", python, "killed")


def test_an_allocation_that_fails_in_a_commit_costs_at_most_that_commit(python, has):
    if not has(["_testcapi"]):
        pytest.skip("this interpreter has no _testcapi")
    stress("no_memory.py", "--python", python, "--upto", "1601", "--stretch", "1600", "--step", "23")
