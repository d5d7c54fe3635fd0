"""What would keep a commit waiting is seen before the fork where a variable holds it that is read again, only there."""

from __future__ import annotations

from types import CodeType
from typing import Any

import pytest

from forkpoint.capture import ambient, unfinished
from forkpoint.errors import Refused
from forkpoint.model import CapturedStack, FrameRecord, Location


class Open:
    """Stands for what is halfway."""


@pytest.fixture(autouse=True)
def _one_library_has_such_things(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(value: Any, name: str) -> Refused | None:
        return Refused(f"halfway: {name or 'unnamed'}", hint="wait") if type(value) is Open else None

    monkeypatch.setattr(ambient, "unfinished", lambda: [ask])


def step(model: Any) -> None:
    for number in range(3):
        loss = model(number)
        loss.backward()
        model.update()


BEFORE_BACKWARD, BEFORE_UPDATE = 3, 4

SCRIPT = compile(
    "for number in range(3):\n    loss = model(number)\n    loss.backward()\n    model.update()\n", "p.py", "exec"
)


def beginning(code: CodeType, line: int) -> int:
    """The first code unit of a line of the file."""
    return min(start for start, _, number in code.co_lines() if number == line) // 2


def at(line: int, **variables: Any) -> CapturedStack:
    """In `step`, at the beginning of that line of it."""
    code, place = step.__code__, Location("p.py", line, "step")
    slots = [variables.get(name) for name in code.co_varnames] + [variables.get("on_the_stack")]
    position = beginning(code, code.co_firstlineno + line)
    record = FrameRecord("function", code, step, {}, None, slots, position, {}, None, None, place)
    return CapturedStack((record,), None, 1000)


def in_script(line: int, **variables: Any) -> CapturedStack:
    place = Location("p.py", line, "<module>")
    record = FrameRecord("code", SCRIPT, None, variables, variables, [], beginning(SCRIPT, line), {}, None, None, place)
    return CapturedStack((record,), None, 1000)


def test_a_variable_that_is_read_again_makes_the_commit_wait() -> None:
    with pytest.raises(Refused) as refused:
        unfinished.look(at(BEFORE_BACKWARD, loss=Open()), (), ())
    assert (refused.value.reason, refused.value.hint) == ("halfway: loss", "wait")
    assert refused.value.location == f"p.py:{BEFORE_BACKWARD} in step"


def test_one_that_is_assigned_before_it_is_read_does_not() -> None:
    unfinished.look(at(BEFORE_UPDATE, loss=Open()), (), ())


def test_what_is_on_the_stack_is_looked_at_too() -> None:
    with pytest.raises(Refused, match="halfway: unnamed"):
        unfinished.look(at(BEFORE_UPDATE, on_the_stack=Open()), (), ())


def test_a_scripts_names_are_its_variables() -> None:
    with pytest.raises(Refused, match="halfway: loss"):
        unfinished.look(in_script(3, loss=Open()), (), ())
    unfinished.look(in_script(4, loss=Open()), (), ())


def test_what_the_program_has_its_own_way_with_is_left_alone() -> None:
    loss = Open()
    unfinished.look(at(BEFORE_BACKWARD, loss=loss), {id(loss)}, ())
    unfinished.look(at(BEFORE_BACKWARD, loss=loss), (), {Open})


def test_where_no_library_has_such_things_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ambient, "unfinished", list)
    unfinished.look(at(BEFORE_BACKWARD, loss=Open()), (), ())
