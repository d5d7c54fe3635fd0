"""REF: each spelling, and what is said when it names nothing or too much."""

from __future__ import annotations

import pytest

from forkpoint import errors
from forkpoint.journal import refs
from forkpoint.journal.points import Point

RUN_A, RUN_B = "aaaa" + "0" * 28, "aabb" + "1" * 28


def _point(number: int, id: str, run: str, seq: int, parent: str | None, label: str | None = None) -> Point:
    return Point(
        id.ljust(32, "f"), run, seq, number, parent and parent.ljust(32, "f"), label, "2026", "explicit", True, "x:1",
        1, 1, 0.0, 0.0, "p", ("p",), None,
    )  # fmt: skip


POINTS = (
    _point(5, "5e5e", RUN_B, 1, None, "same"),
    _point(4, "4444", RUN_A, 4, "3333", "v~1"),
    _point(3, "3333", RUN_A, 3, "2222", "epoch 3"),
    _point(2, "2222", RUN_A, 2, "1111", "same"),
    _point(1, "1111", RUN_A, 1, None),
)
RUNS = (RUN_A, RUN_B)


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("latest", 5), ("4444", 4), ("4444ffff", 4), ("3333".ljust(32, "f"), 3), ("epoch 3", 3), ("aaaa", 4),
        (RUN_B, 5), ("aaaa@2", 2), (f"{RUN_A}@1", 1), ("aaaa~2", 2), ("4444~3", 1), ("epoch 3~1", 2), ("v~1", 4),
        ("v~1~1", 3), ("4444~", 3), ("aaaa@4~1", 3), ("4444~0", 4),
    ],
)  # fmt: skip
def test_a_reference_names_one_point(reference: str, number: int) -> None:
    assert refs.resolve(POINTS, RUNS, reference).number == number


@pytest.mark.parametrize(
    "reference", ["", "444", "nope", "aaaa@9", "latest~1", "1111~1", "~", "aaaa@", "@1", "latest~x"]
)
def test_what_names_nothing_is_said_with_candidates(reference: str) -> None:
    with pytest.raises(errors.UnknownReference) as caught:
        refs.resolve(POINTS, RUNS, reference)
    assert caught.value.exit_status == 14 and caught.value.candidates


def test_what_names_two_things_is_said_with_both() -> None:
    with pytest.raises(errors.UnknownReference, match="ambiguous") as caught:
        refs.resolve(POINTS, RUNS, "same")
    assert len(caught.value.candidates) == 2
    twin = (POINTS[0]._replace(id="aaaa" + "f" * 28), *POINTS[1:])
    with pytest.raises(errors.UnknownReference, match="ambiguous"):
        refs.resolve(twin, RUNS, "aaaa")


def test_a_run_means_its_newest_complete_point() -> None:
    points = (POINTS[0], POINTS[1]._replace(complete=False), *POINTS[2:])
    assert refs.resolve(points, RUNS, "aaaa").number == 3


def test_an_empty_store_has_no_latest() -> None:
    with pytest.raises(errors.UnknownReference):
        refs.resolve((), (), "latest")
