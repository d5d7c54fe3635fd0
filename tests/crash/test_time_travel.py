"""A run that has ended, gone back to from its points: its files are what they were, and become the same again."""

from __future__ import annotations

import pytest
from catalogue import pointed
from harness import Bench, Verdict, judge

PROGRAMS = {program.name: program for program in pointed()}


@pytest.mark.parametrize("name", ["file_times", "changed_files", "links"])
def test_any_point_of_a_run_that_has_ended_leads_to_the_same_end(name, tmp_path, python):
    here = Bench(PROGRAMS[name], tmp_path / "bench", python)
    oracle = here.oracle()
    here.fresh()
    whole = here.run("--keep-last", "1000")
    assert judge(oracle, whole.out, whole, "uninterrupted").verdict is Verdict.PASS
    points = here.json("log")["runs"][0]["points"]
    for point in points[:: max(1, len(points) // 4)]:
        printed = here.json("show", point["id"])["stdout_bytes"]
        restored = here.restore(point["id"], "--force")
        finding = judge(oracle, oracle.out[:printed] + restored.out, restored, f"point {point['seq']}")
        assert finding.verdict is Verdict.PASS, str(finding)
