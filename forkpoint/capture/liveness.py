"""Which variables of a function, or of a script, that goes on at some place will never be read again.

A loop variable that is assigned before its next use holds an object from the last turn for nothing. Only what bytecode
says counts: cells belong to other functions too, and a function that looks at its own names by text reads all of them.
A script's names belong to all functions it defines.
"""

from __future__ import annotations

import opcode
import re
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture.bytecode import NO_FALL_THROUGH, Instruction, code_map
from forkpoint.model import CapturedStack

_LOCAL: Final = frozenset(opcode.haslocal)
_ASK_FOR_NAME: Final = frozenset({"LOAD_NAME", "DELETE_NAME"})
_BY_TEXT: Final = frozenset({"locals", "vars", "eval", "exec", "dir", "_getframe", "currentframe"})


Unread = tuple[Any, int | str]
"""Slots of a frame and an index, or the namespace of a script and a name."""

_Touched = Callable[[Instruction], tuple[frozenset[int], frozenset[int]]]


def unread(stack: CapturedStack) -> list[Unread]:
    """Where the variables of the captured frames are that none of them reads again."""
    found: list[Unread] = []
    namespaces = Counter(id(frame.local_namespace) for frame in stack.frames)
    for frame in stack.frames:
        if frame.local_namespace is frame.namespace is not None:
            if namespaces[id(frame.namespace)] > 1:  # what `exec` runs there knows nothing of who called it
                continue
            names = (frame.code.co_names[index] for index in sorted(_dead_names(frame.code, frame.position)))
            found += [(frame.namespace, name) for name in names if name in frame.namespace]
        else:
            indexes = sorted(_dead(frame.code, frame.position))
            slots = frame.slots
            found += [(slots, at) for at in indexes if at < len(slots) and slots[at] is not _native.NULL]
    return found


def _dead_names(code: CodeType, position: int) -> set[int]:
    """The same as `_dead` for the names of a script, as indexes of `co_names`."""
    inner = [each for constant in code.co_consts if isinstance(constant, CodeType) for each in _within(constant)]
    used = {name for each in inner for name in each.co_names}
    if (_BY_TEXT | {"globals"}) & {*code.co_names, *used}:
        return set()
    stored = {each.arg for each in code_map(code).instructions.values() if each.name == "STORE_NAME"}
    names = {index for index in stored if code.co_names[index] not in used}
    return _unread_at(code, position, names, _touched_name)


def _within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _within(constant)


def _dead(code: CodeType, position: int) -> set[int]:
    """Indexes of the locals of `code` that are assigned on all ways from `position` before they are read, if ever.

    Some versions say where the function is by the instruction before, even if it came by a jump from elsewhere: what
    this one, or the next, or any that may follow needs is alive.
    """
    if _BY_TEXT & {*code.co_names}:
        return set()
    names = {index for index, name in enumerate(code.co_varnames) if name not in code.co_cellvars}
    return _unread_at(code, position, names, _touched)


def _unread_at(code: CodeType, position: int, names: set[int], touched: _Touched) -> set[int]:
    here = code_map(code).at(position)
    alive = _alive(code, touched)
    return names.difference(*(alive.get(at, ()) for at in (here.index, here.next, *_following(code, here))))


def _alive(code: CodeType, touched: _Touched) -> dict[int, frozenset[int]]:
    """The locals that are read at or after each instruction, before anything is assigned to them."""
    instructions = code_map(code).instructions
    alive = dict.fromkeys(instructions, frozenset[int]())
    changed = True
    while changed:
        changed = False
        for index in reversed(instructions):
            instruction = instructions[index]
            read, assigned = touched(instruction)
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


def _touched_name(instruction: Instruction) -> tuple[frozenset[int], frozenset[int]]:
    """The same as `_touched` for a script's names."""
    if instruction.name == "STORE_NAME":
        return frozenset(), frozenset({instruction.arg})
    return frozenset({instruction.arg} if instruction.name in _ASK_FOR_NAME else ()), frozenset()


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
