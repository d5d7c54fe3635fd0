"""Unmodified programs, committed by the timer and killed at random times, end with an uninterrupted run's output."""

from __future__ import annotations

import os
import random

import pytest
from catalogue import unmodified
from timer import random_kills, uninterrupted

SEED = int(os.environ.get("CRASH_SEED", "20"))
WHEN_SHORT = ("called_back", "csv_rows", "kept_processes", "one_line", "progress_bar")


@pytest.mark.parametrize("program", unmodified(), ids=lambda program: program.name)
def test_killed_at_random_times_it_prints_the_same_in_the_end(program, bench, level, verdicts):
    """First it runs to its end under forkpoint, then it is killed: the first run tells how long to let it live."""
    if level == "reduced" and program.name not in WHEN_SHORT:
        pytest.skip("not at this level")
    here = bench(program, automatic=True)
    oracle = here.oracle()
    rng = random.Random(f"{SEED} {program.name}")
    every = rng.choice([0.05, 0.1, 0.2])
    whole, rhythm = uninterrupted(here, oracle, every)
    verdicts(program.name, "uninterrupted", [whole])
    at_least = 3 if level == "reduced" else 5
    findings, _ = random_kills(here, oracle, rhythm, every=every, at_least=at_least, rng=rng)
    verdicts(program.name, f"every {every}", findings)
