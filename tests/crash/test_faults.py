"""A kill in any phase of a commit loses nothing that was acknowledged, and the next commit works."""

from __future__ import annotations

import signal

import pytest
from harness import Bench, Program

PROGRAM = """
import forkpoint
for turn in range(4):
    taken = forkpoint.checkpoint(wait=True)
    print(turn, taken.restored or taken.durable, flush=True)
"""

IN_THE_CHILD = ["child.started", "child.encoded", "pack.renamed", "committer.locked", "committer.inserted"]


@pytest.fixture
def bench(tmp_path, python):
    source = tmp_path / "source"
    source.mkdir()
    (source / "program.py").write_text(PROGRAM)
    return Bench(Program("program", ("program.py",), source), tmp_path / "bench", python)


@pytest.mark.parametrize("point", IN_THE_CHILD)
def test_a_child_killed_in_any_phase_costs_its_own_point_only(bench, point):
    ran = bench.run(env={"FORKPOINT_FAULT": f"{point}:kill"})
    assert ran.status == 0, ran.err.decode()
    # The fault is armed anew in every child: none gets through, each is said to be missing, the program goes on.
    assert ran.out == b"0 False\n1 False\n2 False\n3 False\n"
    assert b"is missing" in ran.err


def test_a_child_that_outlives_its_program_finishes_its_commit(bench):
    ran = bench.run(env={"FORKPOINT_FAULT": "program.forked:kill:2"})
    assert (ran.status, ran.out) == (-signal.SIGKILL, b"0 True\n")
    restored = bench.restore()
    assert restored.out == b"1 True\n2 True\n3 True\n", restored.err.decode()
    points = bench.json("log")["runs"][0]["points"]
    assert [point["seq"] for point in points] == [4, 3, 2, 1]
