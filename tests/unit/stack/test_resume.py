"""Programs are ended at their checkpoints and resumed in a new process: what they print does not change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import driver
import pytest

THOROUGH = bool(os.environ.get("FORKPOINT_THOROUGH"))


def picked(every: int) -> Callable[[int], bool]:
    return lambda number: THOROUGH or number % every == 0


@pytest.mark.parametrize(
    ("name", "every"), [("flow", 4), ("deep", 1), ("drops", 1), ("calls", 24), ("collects", 2), ("drives", 9)]
)
def test_a_program_resumed_at_its_checkpoints_prints_what_it_would_have_printed(
    name: str, every: int, tmp_path: Path
) -> None:
    tally = driver.at_every_checkpoint(driver.PROGRAMS / f"{name}.py", tmp_path / name, picked(every))
    assert not tally.wrong, tally.wrong[0]
    assert not tally.refused
    assert tally.same


def test_generations_of_timer_driven_captures_end_with_the_same_output(tmp_path: Path) -> None:
    program = driver.PROGRAMS / "simulation.py"
    tally = driver.generations(program, tmp_path / "state", "0.004", rounds=3 if THOROUGH else 1, seed=3, longest=4)
    assert not tally.wrong, tally.wrong[0]
    assert tally.same
