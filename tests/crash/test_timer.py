"""Unmodified programs, committed by the timer and killed at random times, end with an uninterrupted run's output."""

from __future__ import annotations

import os
import random
import time

import pytest
from catalogue import unmodified
from timer import random_kills

SEED = int(os.environ.get("CRASH_SEED", "20"))
AT_LEAST = 5
WHEN_SHORT = ("called_back", "events", "one_line", "progress_bar", "sklearn_partial_fit")
NOT_YET = {"csv_rows": "files opened, appended to and closed again are not cut back yet on restore"}


def marked(program):
    """The program as a parameter, expected to fail where what it needs is not there yet."""
    marks = [pytest.mark.xfail(strict=False, reason=NOT_YET[program.name])] if program.name in NOT_YET else []
    return pytest.param(program, id=program.name, marks=marks)


@pytest.mark.parametrize("program", [marked(p) for p in unmodified()])
def test_killed_at_random_times_it_prints_the_same_in_the_end(program, bench, level, verdicts):
    if level == "reduced" and program.name not in WHEN_SHORT:
        pytest.skip("not at this level")
    here = bench(program, automatic=True)
    began = time.monotonic()
    oracle = here.oracle()
    took = time.monotonic() - began
    rng = random.Random(f"{SEED} {program.name}")
    every = rng.choice([0.05, 0.1, 0.2])
    shortest = 0.5 + 2 * every
    findings, chain = random_kills(
        here, oracle, every=every, at_least=AT_LEAST, life=(shortest, shortest + took / 3), rng=rng
    )
    verdicts(program.name, f"every {every}", findings)


@pytest.mark.parametrize("program", unmodified(), ids=lambda p: p.name)
def test_uninterrupted_it_prints_the_same_while_commits_happen(program, bench, level):
    if level == "reduced" and program.name not in WHEN_SHORT:
        pytest.skip("not at this level")
    here = bench(program, automatic=True)
    oracle = here.oracle()
    here.fresh()
    ran = here.run("--every", "0.1")
    assert (ran.status, ran.out) == (oracle.status, oracle.out), ran.err.decode()[-2000:]
    points = here.json("log")["runs"][0]["points"]
    assert points and any(p["trigger"] == "timer" and p["durable"] for p in points), ran.err.decode()[-2000:]
