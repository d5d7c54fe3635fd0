"""Which local variables a function that goes on at some place will never read again.

A loop variable that is assigned before its next use holds an object from the last turn for nothing. Only what bytecode
says counts: cells belong to other functions too, and a function that looks at its own names by text reads all of them.
"""

from __future__ import annotations

import opcode
import re
from collections.abc import Iterator
from types import CodeType
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture.bytecode import NO_FALL_THROUGH, Instruction, code_map
from forkpoint.model import CapturedStack

_LOCAL: Final = frozenset(opcode.haslocal)
_BY_TEXT: Final = frozenset({"locals", "vars", "eval", "exec", "dir", "_getframe", "currentframe"})


def unread(stack: CapturedStack) -> list[tuple[list[Any], int]]:
    """(slots of a frame, index) of each local of the captured frames that none of them reads again."""
    return [
        (frame.slots, index)
        for frame in stack.frames
        for index in sorted(_dead(frame.code, frame.position))
        if index < len(frame.slots) and frame.slots[index] is not _native.NULL
    ]


def _dead(code: CodeType, position: int) -> set[int]:
    """Indexes of the locals of `code` that are assigned on all ways from `position` before they are read, if ever.

    Some versions say where the function is by the instruction before, even if it came by a jump from elsewhere: what
    this one, or the next, or any that may follow needs is alive.
    """
    if _BY_TEXT & {*code.co_names}:
        return set()
    names = {index for index, name in enumerate(code.co_varnames) if name not in code.co_cellvars}
    here = code_map(code).at(position)
    alive = _alive(code)
    return names.difference(*(alive.get(at, ()) for at in (here.index, here.next, *_following(code, here))))


def _alive(code: CodeType) -> dict[int, frozenset[int]]:
    """The locals that are read at or after each instruction, before anything is assigned to them."""
    instructions = code_map(code).instructions
    alive = dict.fromkeys(instructions, frozenset[int]())
    changed = True
    while changed:
        changed = False
        for index in reversed(instructions):
            instruction = instructions[index]
            read, assigned = _touched(instruction)
            after = frozenset().union(*(alive[following] for following in _following(code, instruction)))
            found = read | (after - assigned)
            if found != alive[index]:
                alive[index] = found
                changed = True
    return alive


def _following(code: CodeType, instruction: Instruction) -> Iterator[int]:
    """Where the function can go on after an instruction: behind it, at its target, where its exception is handled."""
    found = code_map(code)
    if instruction.name not in NO_FALL_THROUGH and instruction.next in found.instructions:
        yield instruction.next
    if instruction.target >= 0:
        yield instruction.target
    handler = found.handler_at(instruction.index)
    if handler is not None:
        yield handler.target


def _touched(instruction: Instruction) -> tuple[frozenset[int], frozenset[int]]:
    """Indexes of the locals that it reads, and of those it assigns."""
    if instruction.opcode not in _LOCAL:
        return frozenset(), frozenset()
    kinds = re.findall("(LOAD|STORE)_FAST", instruction.name)
    if len(kinds) == 2:  # two instructions in one, in that order (3.13)
        steps = list(zip(kinds, divmod(instruction.arg, 16), strict=True))
    elif instruction.name == "STORE_FAST":
        steps = [("STORE", instruction.arg)]
    else:  # also DELETE_FAST and LOAD_FAST_AND_CLEAR, which ask what was there
        steps = [("LOAD", instruction.arg)]
    read, assigned = set[int](), set[int]()
    for kind, index in steps:
        if kind == "STORE":
            assigned.add(index)
        elif index not in assigned:
            read.add(index)
    return frozenset(read), frozenset(assigned)
