"""Automatic commits wait for a function to return that holds what cannot be saved, and only for that."""

from __future__ import annotations

from typing import Any

from forkpoint.limits import COMPLETE_WAIT_SECONDS
from forkpoint.model import EXCLUDED, UNNAMED, CapturedStack, FrameRecord, Location, Tombstone
from forkpoint.places import Places


def main() -> None: ...


def fit() -> None: ...


def record(kind: Any, code: Any, name: str) -> FrameRecord:
    return FrameRecord(kind, code, None, {}, None, [], 0, {}, None, None, Location("p.py", 1, name))


STACK = CapturedStack(
    (
        record("code", compile("", "p.py", "exec"), "<module>"),
        record("function", main.__code__, "main"),
        record("function", fit.__code__, "Tree.fit"),
    ),
    None,
    1000,
)


def stone(path: str, reason: str = "no __reduce__") -> Tombstone:
    return Tombstone(path, "Builder", reason)


def test_the_outermost_function_that_holds_such_a_value_is_named() -> None:
    assert Places().holder(STACK, [stone("builder (in Tree.fit)")]) == (2, stone("builder (in Tree.fit)"))
    both = [stone("builder (in Tree.fit).x"), stone("socket (in main)")]
    assert Places().holder(STACK, both) == (1, both[1])


def test_what_no_variable_leads_to_is_taken_to_be_in_the_innermost_function() -> None:
    places = Places()
    assert places.holder(STACK, [stone(UNNAMED)]) == (2, stone(UNNAMED))
    assert places.holder(CapturedStack(STACK.frames[:1], None, 1000), [stone(UNNAMED)]) is None
    places.avoid(fit.__code__)
    places.avoided(COMPLETE_WAIT_SECONDS + 1)
    assert places.holder(STACK, [stone(UNNAMED)]) is None


def test_waiting_for_what_a_module_holds_is_in_vain() -> None:
    places = Places()
    assert places.holder(STACK, [stone("socket")]) is None
    assert places.holder(STACK, [stone("socket (in <module>)"), stone("builder (in Tree.fit)")]) is None
    assert places.holder(STACK, [stone("builder (in Tree.fit)", EXCLUDED)]) is None
    assert places.holder(STACK, []) is None


def test_after_a_while_without_any_point_an_incomplete_one_is_better_than_none() -> None:
    places = Places()
    places.avoid(main.__code__)
    assert places.avoided(COMPLETE_WAIT_SECONDS) == (main.__code__,)
    assert places.avoided(COMPLETE_WAIT_SECONDS + 1) == ()
    assert places.holder(STACK, [stone("socket (in main)")]) is None
