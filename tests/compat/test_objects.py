"""Every object of the catalogue is saved, comes back equal in a new process, keeps its aliases, and looks the same
when it is saved twice; or it is listed there with the reason why not."""

from __future__ import annotations

from functools import cache

import pytest

from forkpoint.cli.objects import catalogue, trial

CASES = [
    pytest.param(library, case.name, marks=pytest.mark.xdist_group(library))  # whose objects one process makes
    for library in catalogue.libraries()
    for case in catalogue.cases(library)
]


@cache
def rows(library: str) -> dict[str, trial.Row]:
    return {row.name: row for row in trial.try_library(library)}


@pytest.mark.parametrize(("library", "name"), CASES, ids=lambda value: str(value))
def test_object(library: str, name: str) -> None:
    row = rows(library)[name]
    if row.captured is None:
        pytest.skip(row.note)
    assert row.expected, row


def test_each_name_stands_for_one_object_of_its_library() -> None:
    assert len({case.values for case in CASES}) == len(CASES)


def test_an_object_that_is_said_to_be_lost_is_a_tombstone_with_a_reason_for_its_reader() -> None:
    """So that a case whose object is saved by now does not go on saying that it is lost."""
    lost = [case for library in catalogue.libraries() for case in catalogue.cases(library) if case.lost]
    assert lost
    assert all(len(case.lost) > 20 and not case.use for case in lost)
