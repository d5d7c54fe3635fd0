"""The store on a seeded disk against a plain model, some hundred steps; stress/state_machine.py goes on for longer."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test
from machine_plants import PLANTS
from store_machine import StoreMachine

pytestmark = pytest.mark.any_python

TestStoreOnASeededDisk = StoreMachine.TestCase
TestStoreOnASeededDisk.settings = hypothesis.settings(
    max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)

ROUNDS_MAX = 60
FOUND_SOON = {"a-failed-sync-is-tried-again": 3}
"""With which seed to begin, so that it does not take long; with the others it takes longer."""


def _found(machine: type[StoreMachine], seed: int) -> bool:
    how = hypothesis.settings(
        max_examples=12, stateful_step_count=20, deadline=None, database=None, phases=[hypothesis.Phase.generate],
        report_multiple_bugs=False, suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    try:
        run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=how)
    except Exception:
        return True
    return False


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_a_planted_bug_is_found(name: str) -> None:
    planted = type("Planted", (StoreMachine,), {"plant": staticmethod(PLANTS[name])})
    begin = FOUND_SOON.get(name, 0)
    assert any(_found(planted, seed) for seed in range(begin, begin + ROUNDS_MAX))
