"""Killed at every commit point, each time in the process that came back from the kill before: many generations."""

from __future__ import annotations

import pytest
from catalogue import DIRECT, pointed
from harness import chain
from test_kill import points_of

GENERATIONS_WHEN_SHORT = ("loops", "with_blocks", "exceptions_in_flight", "generators", "heapq_simulation", "hot_flow")


@pytest.mark.parametrize("program", [p for p in pointed() if p.name not in DIRECT], ids=lambda p: p.name)
def test_a_chain_of_kills_through_every_point_loses_nothing(program, bench, level, verdicts):
    if level == "reduced" and program.name not in GENERATIONS_WHEN_SHORT:
        pytest.skip("not at this level")
    here = bench(program)
    oracle = here.oracle()
    points = points_of(oracle)
    verdicts(program.name, "chain", [chain(here, oracle, len(points))])
