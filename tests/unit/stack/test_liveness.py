"""Locals that a function reads again are never said to be unread, wherever it stands; the last turn's are."""

from __future__ import annotations

import sys
from types import CodeType
from typing import Any

from forkpoint.capture import bytecode, liveness
from forkpoint.model import CapturedStack, FrameRecord, Location


def unread(code: CodeType, line: int) -> set[str]:
    """Names that are unread in all calls on a line of a function, counted from its `def`."""
    lines = {unit: number for start, end, number in code.co_lines() for unit in range(start // 2, end // 2)}
    calls = [
        each.index
        for each in bytecode.code_map(code).instructions.values()
        if each.name.startswith("CALL") and lines[each.index] == code.co_firstlineno + line
    ]
    assert calls
    found = [{code.co_varnames[index] for index in liveness._dead(code, call)} for call in calls]
    return set.intersection(*found)


def steps(model: Any, train: Any) -> Any:
    total = 0
    for number in range(3):
        chance = model(number)
        drawn = chance + 1
        total += drawn
        train(total)
    return model


def test_what_the_next_turn_assigns_first_is_unread() -> None:
    assert unread(steps.__code__, 3) == {"number", "chance", "drawn"}  # `number` is on the stack by then
    assert unread(steps.__code__, 6) == {"number", "chance", "drawn"}


def branches(go: Any) -> Any:
    kept, spare, last = go(1), go(2), 0
    while go(3):
        if go(4):
            spare = 0
        else:
            last = kept
        last = last + spare
    return go(5)


def test_one_way_on_which_it_is_read_is_enough() -> None:
    assert unread(branches.__code__, 3) == set()
    assert unread(branches.__code__, 8) == {"go", "kept", "spare", "last"}


def guarded(go: Any) -> Any:
    found = go(0)
    try:
        found = go(1)
        go(2)
        found = go(3)
    except ValueError:
        return found
    with go(4) as entered:
        other = go(5)
    del other
    return go(6), entered


def test_an_exception_may_read_what_the_next_line_assigns() -> None:
    assert unread(guarded.__code__, 3) == {"entered"}  # whether `other` is there will be asked
    assert "found" not in unread(guarded.__code__, 4)
    assert unread(guarded.__code__, 8) == {"found"}
    assert unread(guarded.__code__, 11) == {"go", "found", "other"}


def shared(go: Any) -> Any:
    cell = go(1)

    def reads() -> Any:
        return cell

    go(reads)
    return go(2)


def by_text(go: Any) -> Any:
    value = go(1)
    go(value)
    return go(locals())


def test_cells_and_functions_that_ask_for_their_names_are_left_alone() -> None:
    assert "cell" not in unread(shared.__code__, 7)
    assert unread(by_text.__code__, 2) == set()


def test_a_place_given_by_the_instruction_before_a_jump_target_reads_what_is_read_there() -> None:
    def chosen(flag: Any, go: Any) -> Any:
        if flag:
            flag = go(flag)
        else:
            flag = go(flag, 2)
        return flag

    def other(flag: Any, first: Any, second: Any) -> Any:
        return first if flag else second

    for code in (chosen.__code__, other.__code__):
        found = bytecode.code_map(code)
        for index in found.instructions:
            dead = liveness._dead(code, index)
            following = found.instructions[index].next
            if following in found.instructions:
                read, _ = liveness._touched(found.instructions[following])
                assert not read & dead, (sys.version_info, index)


SCRIPT = """
import time
def shown():
    return seen
class Holder:
    kept = 1
for epoch in range(3):
    out = model(epoch)
    seen = out + 1
    late = out * 2
    train(seen)
    spare = [late for _ in range(2)]
    try:
        found = model(1)
    except ValueError:
        del spare
    train(epoch)
print(late)
"""


def dead_names(source: str, line: int) -> set[str]:
    code = compile(source, "script", "exec")
    lines = {unit: number for start, end, number in code.co_lines() for unit in range(start // 2, end // 2)}
    at = [each.index for each in bytecode.code_map(code).instructions.values() if lines[each.index] == line]
    calls = [index for index in at if bytecode.code_map(code).instructions[index].name.startswith("CALL")]
    found = [{code.co_names[index] for index in liveness._dead_names(code, call)} for call in calls]
    return set.intersection(*found)


def test_names_of_a_script_that_it_assigns_again_before_it_reads_them_are_unread_too() -> None:
    dead = dead_names(SCRIPT, 11)
    assert {"out", "found", "Holder", "shown", "time"} <= dead, "which nothing reads any more"
    assert not dead & {"seen", "late", "epoch", "model", "train"}, "a function reads it, or the script itself"
    assert not dead_names(SCRIPT, 17) & {"late", "seen"} and {"out", "found", "spare"} & dead_names(SCRIPT, 17)


def test_a_script_that_asks_for_its_names_reads_all_of_them() -> None:
    for asking in ("vars()", "(lambda: globals())()", "exec('print(out)')"):
        assert dead_names(SCRIPT + f"print({asking})\n", 11) == set()


def test_what_a_comprehension_reads_is_read_by_the_script() -> None:
    source = "for turn in range(3):\n    out = go(1)\n    go(2)\n    kept = [out for _ in go(3)]\n    go(4)\n"
    assert "out" not in dead_names(source, 3), sys.version_info


def test_of_scripts_that_share_a_namespace_neither_knows_what_the_other_reads() -> None:
    code = compile("go(1)\nout = go(2)\n", "script", "exec")
    namespace = {"out": 1}

    def frame() -> FrameRecord:
        where = Location("script", 1, "<module>")
        return FrameRecord("code", code, None, namespace, namespace, [], 4, {}, None, None, where)

    assert liveness.unread(CapturedStack((frame(),), None, 1000)) == [(namespace, "out")]
    assert liveness.unread(CapturedStack((frame(), frame()), None, 1000)) == []
