"""Killed at every commit point in turn and restored in a new process, each program prints what it would have."""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Iterator

import pytest
from catalogue import DIRECT, pointed
from harness import Bench, Finding, Program, Ran, after_kill, kills

AFTER_OTHERS = (
    "hot_arrays",
    "linked_list",
    "numpy_arrays",
    "set_order",
    "sklearn_digits",
    "uncaught",
    "with_blocks",
    "written_files",
)
PROGRAMS = [p for p in pointed() if p.name not in DIRECT]
named = pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)


def points_of(oracle: Ran) -> list[int]:
    """All the points of a program, as it numbered them itself."""
    return list(range(1, len(re.findall(rb"^POINT ", oracle.err, re.MULTILINE)) + 1))


def chosen(points: list[int], level: str) -> list[int]:
    """All of them, or the first, middle and last, or the middle one: `test_chain` visits each point anyway."""
    middle = points[len(points) // 2]
    return {"exhaustive": points, "full": sorted({points[0], middle, points[-1]}), "reduced": [middle]}[level]


@named
def test_a_point_committed_alone_brings_back_the_rest_of_the_output(program, bench, level, verdicts):
    here = bench(program)
    oracle = here.oracle()
    verdicts(program.name, "only", kills(here, oracle, chosen(points_of(oracle), level), "only"))


@named
def test_a_point_after_all_the_others_brings_back_the_rest(program, bench, level, verdicts):
    if level != "exhaustive" and program.name not in AFTER_OTHERS[: 3 if level == "reduced" else None]:
        pytest.skip("not at this level")
    here = bench(program)
    oracle = here.oracle()
    points = points_of(oracle)
    verdicts(program.name, "kill", kills(here, oracle, points if level == "exhaustive" else points[-1:], "kill"))


@pytest.mark.parametrize("program", [p for p in pointed() if p.name in DIRECT], ids=lambda p: p.name)
@pytest.mark.parametrize("plain", [False, True], ids=["run", "python"])
def test_a_bare_checkpoint_call_resumes_where_it_stands(program, plain, bench, verdicts):
    here = bench(program)
    verdicts(program.name, "fault plain" if plain else "fault", each_acknowledged_point(here, here.oracle(), plain))


def each_acknowledged_point(here: Bench, oracle: Ran, plain: bool) -> Iterator[Finding]:
    """Killed by the product's fault point after the first durable commit, after the second, until there is none."""
    for n in itertools.count(1):
        here.fresh()
        env = {"FORKPOINT_FAULT": f"program.durable:kill:{n}", "FORKPOINT_STORE": str(here.store)}
        killed = here.call(here.program.command, env) if plain else here.run(env=env)
        if killed.status != -signal.SIGKILL and n > 1:
            return
        yield after_kill(here, oracle, killed, f"commit {n}")


PLAIN = ("with_blocks", "generators", "exceptions_in_flight", "closures", "classes", "recursion", "set_order", "shop")


@pytest.mark.parametrize("program", [p for p in PROGRAMS if p.name in PLAIN], ids=lambda p: p.name)
def test_plain_python_without_forkpoint_run_is_killed_and_restored_too(program: Program, bench, level, verdicts):
    here = bench(program)
    oracle = here.oracle()
    points = chosen(points_of(oracle), level)
    verdicts(program.name, "plain python", kills(here, oracle, points, "only", plain=True))
