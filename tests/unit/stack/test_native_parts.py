"""Static depths, generators as values, ticks and safe points, each on its own."""

from __future__ import annotations

import glob
import os
import sys
import time
import types
from collections.abc import Iterator
from typing import Any

import pytest

from forkpoint import _native
from forkpoint.capture import bytecode
from forkpoint.capture.frames import running
from forkpoint.snapshot import safepoint


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from codes(const)


def test_the_static_depth_never_exceeds_the_stack_the_compiler_reserved() -> None:
    checked = 0
    for path in sorted(glob.glob(os.path.join(os.path.dirname(os.__file__), "[a-c]*.py"))):
        with open(path, encoding="utf-8") as file:
            whole = compile(file.read(), path, "exec", dont_inherit=True)
        for code in codes(whole):
            depths = [each.depth for each in bytecode.CodeMap(code).instructions.values()]
            assert max(depths) <= code.co_stacksize, code.co_qualname
            checked += 1
    assert checked > 1000


def numbers(limit: int) -> Iterator[int]:
    for number in range(limit):
        try:
            yield number
        finally:
            limit += 1


def copied(generator: Any) -> Any:
    state, function, _, slots, position, raw, exception, name, qualname = _native.generator_read(generator)
    slots = [iter(range(2, 4)) if type(slot).__name__ == "range_iterator" else slot for slot in slots]
    made = _native.generator_new(function)
    _native.generator_fill(made, slots, position, raw, exception, name, qualname)
    return made


def test_a_suspended_generator_goes_on_from_its_slots() -> None:
    original = numbers(4)
    assert [next(original), next(original)] == [0, 1]
    made = copied(original)
    assert list(made) == [2, 3]
    original.close()


def test_a_generator_that_has_not_started_keeps_its_arguments() -> None:
    assert list(copied(numbers(3))) == [0, 1, 2]


def test_a_finished_generator_stays_finished() -> None:
    original = numbers(0)
    assert list(original) == []
    state, function, code, *_ = _native.generator_read(original)
    assert (state, function) == ("finished", None)
    made = _native.generator_new(numbers)
    _native.generator_fill(made, [], -1, 4, _native.NULL, "renamed", "renamed")
    assert list(made) == []
    assert made.__name__ == "renamed"


def test_a_started_generator_is_not_filled() -> None:
    made = numbers(1)
    next(made)
    with pytest.raises(ValueError, match="not started"):
        _native.generator_fill(made, [], 0, 0, _native.NULL, "n", "n")
    made.close()


def test_slots_that_do_not_fit_the_code_are_refused() -> None:
    with pytest.raises(SystemError, match="does not fit"):
        _native.generator_fill(_native.generator_new(numbers), [1] * 99, 3, -1, _native.NULL, "n", "n")


def spin(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_ticks_reach_a_loop_that_never_gives_up_the_gil() -> None:
    seen: list[int] = []
    _native.ticks_start(lambda: seen.append(1), 0.002)
    try:
        until = time.perf_counter() + 5
        while not seen and time.perf_counter() < until:
            sum(range(100))
    finally:
        _native.ticks_stop()
    assert seen


def test_no_tick_comes_after_the_stop() -> None:
    seen: list[int] = []
    _native.ticks_start(lambda: seen.append(1), 0.001)
    _native.ticks_stop()
    before = len(seen)
    spin(0.02)
    assert len(seen) == before


def reached_by(work: Any) -> list[str]:
    """Arm the frame of `work`, run it, and say how it was stopped."""
    stops: list[str] = []

    def on_reached(mode: safepoint.Mode, destination: int | None) -> None:
        stops.append(mode)

    def arm() -> None:
        frame = running()[2]
        assert safepoint.arm(frame.address, frame.code, on_reached)

    work(arm)
    safepoint.disarm()
    return stops


def test_an_armed_frame_is_stopped_once_at_its_next_line() -> None:
    def work(arm: Any) -> None:
        arm()
        first = 1
        second = first + 1
        assert second

    assert reached_by(work) == ["line"]


def test_a_loop_on_one_line_is_stopped() -> None:
    def work(arm: Any) -> None:
        total = 0
        for i in range(200):
            total += arm() or i if i == 5 else i  # noqa: E701

    assert len(reached_by(work)) == 1


def test_another_frame_of_the_same_code_is_not_stopped() -> None:
    deepest: list[int] = []

    def work(arm: Any, depth: int = 0) -> None:
        if depth == 0:
            arm()
            work(arm, 1)
            deepest.append(0)  # noqa: E702
            return
        deepest.append(depth)
        deepest.append(depth)

    stops = reached_by(work)
    assert len(stops) <= 1


def test_the_programs_own_tracer_is_back_after_disarming() -> None:
    seen: list[str] = []

    def tracer(frame: Any, event: str, argument: Any) -> Any:
        seen.append(event)
        return tracer

    def work(arm: Any) -> None:
        arm()
        first = 1
        assert first

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        assert len(reached_by(work)) == 1
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert "line" in seen
