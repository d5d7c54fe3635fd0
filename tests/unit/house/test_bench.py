"""The measuring itself is tried: one command asks all questions, and the bars are judged by their figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[3] / "stress" / "bench"
sys.path.append(str(BENCH))

import verdicts  # noqa: E402


@pytest.mark.any_python
def test_one_command_answers_every_question(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / "run_all.py"), "--tiny", "--into", "answers"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "answers" / "results.json").read_text())
    assert list(results) == ["cost", "blocks", "overhead every second", "restore"]
    cost = results["cost"]["tiny"]
    assert cost["medians"]["forkpoint"]["bytes"] > 0
    assert cost["medians"]["forkpoint"]["memory"] > cost["medians"]["pickle"]["memory"]
    assert cost["left out"]["torch.save"] == "saves torch models"
    assert "talo" in cost["medians"] or cost["left out"]["talo"] == "not installed (pytalo)"
    assert results["blocks"]["tiny"]["durable"] == 2
    assert results["restore"]["tiny"]["forkpoint"] > results["restore"]["tiny"]["pickle"] > 0
    page = (tmp_path / "answers" / "RESULTS.md").read_text()
    assert "tiny left out: torch.save" in page and "## Restore" in page


def overhead(percent: float, points: int) -> dict[str, Any]:
    return {"overhead every second": {"W8": {"overheads": [percent], "points": [points], "asked": 20}}}


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        (overhead(1.4, 20), "met"),
        (overhead(1.6, 20), "**missed**"),
        (overhead(0.1, 15), "**missed**: too few points"),
        ({"restore": {"W8": {"ratio": 1.49}}}, "met"),
        ({"restore": {"W8": {"ratio": 1.51}}}, "**missed**"),
    ],
)
def test_a_bar_is_met_by_its_figure_alone(results: dict[str, Any], verdict: str) -> None:
    assert [one.verdict for one in verdicts.judge(results)] == [verdict]


def test_the_least_blocking_method_is_found_among_all() -> None:
    figures = {"stop": 1.0, "slowed": 1.0, "bytes_in_all": 11e6}
    medians = {"none": figures | {"stop": 0.0}, "forkpoint": figures, "talo": figures | {"slowed": 0.5}}
    judged = verdicts.judge({"cost": {"W8": {"medians": medians}}})
    assert [one.verdict for one in judged] == ["met", "**missed**"]
    assert "talo 1.5 ms" in judged[1].found
