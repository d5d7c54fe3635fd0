"""Why no commit is taken now: not what stood in the way long ago, and whatever object it was about each time."""

from __future__ import annotations

from forkpoint.model import Refusal
from forkpoint.obstacles import BUSY, Obstacles


def test_a_commit_that_is_under_way_is_no_reason_while_there_is_another() -> None:
    obstacles = Obstacles()
    for _ in range(9):
        obstacles.note(Refusal(BUSY, "train.py:3"))
    assert obstacles.why() == f"{BUSY} (train.py:3)"
    obstacles.note(Refusal("an open autograd graph: x", "train.py:4"))
    obstacles.note(Refusal(BUSY, "train.py:3"))
    assert obstacles.why() == "an open autograd graph: x (train.py:4)"


def test_why_is_the_commonest_of_the_newest_refusals() -> None:
    obstacles = Obstacles()
    assert obstacles.why() == "the program has not come to a place where one can be taken"
    for _ in range(60):
        obstacles.note(Refusal("a library is being imported", "train.py:1 in <module>"))
    obstacles.note(Refusal("a sort key", "train.py:7 in score"))
    assert obstacles.why().startswith("a sort key"), "imports are over then"
    for step in range(25):
        obstacles.note(Refusal(f"an open autograd graph: h{step} (1x{step})", "train.py:50 in step"))
    obstacles.note(Refusal("a sort key", "train.py:7 in score"))
    assert obstacles.why().startswith("an open autograd graph: h")
    assert obstacles.advice().startswith("commits are taken once backward()")
    assert max(obstacles.listed(), key=lambda refusal: refusal.count).count == 60
