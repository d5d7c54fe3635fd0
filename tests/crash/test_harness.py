"""The harness sees each defect it is for: planted in a stand-in product that restores by running again."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from harness import HERE, Bench, Program, Verdict, chain, kills
from timer import Rhythm, random_kills

SOURCE = """
import sys, time
from points import point
for i in range(5):
    print("step", i)
    point()
    time.sleep(float(sys.argv[1]))
sys.exit(2)
"""


@pytest.fixture
def standin(tmp_path, python):
    """A bench whose forkpoint is the stand-in, with a bug planted."""

    def make(bug: str = "", pause: str = "0") -> Bench:
        source = tmp_path / f"source{bug}"
        source.mkdir()
        (source / "points.py").write_bytes((HERE / "programs" / "points.py").read_bytes())
        (source / "program.py").write_text(SOURCE)
        env = {"PYTHONPATH": str(HERE / "standin"), "STANDIN_BUG": bug}
        return Bench(Program("program", ("program.py", pause), source, env=env), tmp_path / f"bench{bug}", python)

    return make


PLANTED = {
    "": Verdict.PASS,
    "doubled": Verdict.SILENT_DIVERGENCE,
    "early": Verdict.LOST_WORK,
    "refuse": Verdict.REFUSED,
    "crash": Verdict.HARD_FAIL,
}


@pytest.mark.parametrize("bug", PLANTED)
@pytest.mark.parametrize("mode", ["fault", "kill"])
def test_a_kill_at_a_point_is_judged_by_what_was_planted(bug, mode, standin):
    here = standin(bug)
    if bug == "early" and mode == "kill":
        pytest.skip("the program kills itself again there")
    if bug == "refuse" and mode == "fault":
        pytest.skip("nothing is ever acknowledged, so nothing is killed")
    verdicts = Counter(f.verdict for f in kills(here, here.oracle(), [2, 4], mode))
    assert verdicts == {PLANTED[bug]: 2}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_chain_is_judged_by_what_was_planted(bug, standin):
    here = standin(bug)
    finding = chain(here, here.oracle(), 5)
    wanted = Verdict.SILENT_DIVERGENCE if bug == "early" else PLANTED[bug]  # a step printed twice is what a user sees
    assert finding.verdict is wanted, finding


@pytest.mark.parametrize("bug", ["", "doubled", "crash"])
def test_random_kills_are_judged_by_what_was_planted(bug, standin):
    here = standin(bug, "0.2")
    rhythm = Rhythm(took=1.4, first=0.1, gap=0.2)
    found, _ = random_kills(here, here.oracle(), rhythm, every=0.1, at_least=2, rng=random.Random(1))
    assert {f.verdict for f in found} == {PLANTED[bug]}, found
