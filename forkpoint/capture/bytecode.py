"""What a code object's bytecode says without running it: instructions, stack depths, which one loaded a stack slot."""

from __future__ import annotations

import opcode
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any, Final

from forkpoint import limits

VERSION: Final = sys.version_info[:2]

NO_FALL_THROUGH: Final = frozenset(
    {
        "RETURN_VALUE",
        "RETURN_CONST",
        "RAISE_VARARGS",
        "RERAISE",
        "JUMP_FORWARD",
        "JUMP_BACKWARD",
        "JUMP_BACKWARD_NO_INTERRUPT",
        "INTERPRETER_EXIT",
    }
)
_JUMPS: Final = frozenset(opcode.hasjrel)
# What an instruction takes off the stack, where that does not follow from its effect (see Instruction.pops).
_TAKES_NOTHING: Final = frozenset(
    {"NOP", "RESUME", "EXTENDED_ARG", "KW_NAMES", "MAKE_CELL", "COPY_FREE_VARS", "CACHE", "JUMP_FORWARD"}
)
_TAKES: Final = {"LOAD_ATTR": 1, "LOAD_METHOD": 1, "LOAD_SUPER_ATTR": 3, "BEFORE_WITH": 1, "UNPACK_SEQUENCE": 1}
_LEAVES_NOTHING: Final = ("STORE_", "DELETE_", "POP_", "LIST_", "SET_", "DICT_", "MAP_", "JUMP_", "PRECALL")
_CACHES: Final[Any] = opcode._inline_cache_entries  # type: ignore[attr-defined]
_OPERANDS: Final = frozenset(getattr(opcode, "hasarg", range(opcode.HAVE_ARGUMENT, 256)))


class Instruction:
    """One instruction; indexes are in code units of two bytes.

    `start` is the first of its EXTENDED_ARG prefixes, `next` the instruction after its caches. `depth` is the value
    stack's depth before it (-1 if it cannot be reached), `depth_after` when it has fallen through. `pops` is how many
    values it takes off the stack (or, for SWAP, moves) before it puts its own there; for rare instructions it may
    be too many, never too few.
    """

    __slots__ = ("arg", "depth", "depth_after", "index", "name", "next", "opcode", "pops", "start", "target")

    def __init__(self, index: int, code: int, arg: int, start: int) -> None:
        self.index = index
        self.opcode = code
        self.name = opcode.opname[code]
        self.arg = arg
        self.start = start
        self.next = index + 1 + (_CACHES.get(self.name, 0) if isinstance(_CACHES, dict) else _CACHES[code])
        self.depth = self.depth_after = -1
        self.pops = self._pops()
        self.target = -1
        if code in _JUMPS:
            self.target = self.next - arg if "BACKWARD" in self.name else self.next + arg

    def effect(self, *, jump: bool = False) -> int:
        """How many values the stack gains, when falling through or when jumping."""
        if self.name == "RETURN_GENERATOR":
            return 1  # what runs after it in the generator finds the first send()'s value; dis knows since 3.13
        return opcode.stack_effect(self.opcode, self.arg if self.opcode in _OPERANDS else None, jump=jump)

    def _pops(self) -> int:
        if self.name in _TAKES_NOTHING:
            return 0
        if self.name == "SWAP":
            return self.arg
        known = _TAKES.get(self.name)
        if known is not None:
            return known
        effect = self.effect()
        if effect > 0:
            return 0 if self.name.startswith(("LOAD_", "PUSH_", "COPY", "FOR_ITER", "BUILD_", "IMPORT_")) else 1
        return -effect if self.name.startswith(_LEAVES_NOTHING) else 1 - effect


class Handler:
    """One row of the exception table, in code units."""

    __slots__ = ("depth", "end", "start", "target")

    def __init__(self, start: int, length: int, target: int, depth_and_lasti: int) -> None:
        self.start = start
        self.end = start + length
        self.target = target
        self.depth = (depth_and_lasti >> 1) + (depth_and_lasti & 1) + 1


class CodeMap:
    """The instructions of one code object, by the code unit they begin at.

    `locals_count` is how many slots of a frame are locals and cells: the value stack begins there (co_nlocalsplus).
    """

    def __init__(self, code: CodeType) -> None:
        self.instructions = _instructions(code.co_code)
        self.locals_count = _locals_count(code)
        self._loaders: dict[tuple[int, int], Instruction | None] = {}
        self.handlers = list(_exception_table(code.co_exceptiontable))
        self._jumps = [i for i in self.instructions.values() if i.target >= 0]
        self._owner = [0] * (len(code.co_code) // 2)
        for instruction in self.instructions.values():
            for unit in range(instruction.index, instruction.next):
                self._owner[unit] = instruction.index
        self._find_depths()

    def at(self, unit: int) -> Instruction:
        """The instruction that owns a code unit, which may be one of its caches."""
        return self.instructions[self._owner[unit]]

    def previous(self, instruction: Instruction) -> Instruction | None:
        """The instruction before, in the order they are written, skipping EXTENDED_ARG."""
        index = instruction.start
        return self.at(index - 1) if index > 0 else None

    def handler_at(self, unit: int) -> Handler | None:
        """Where an exception raised at this code unit is handled."""
        for handler in self.handlers:
            if handler.start <= unit < handler.end:
                return handler
        return None

    def loader(self, user: Instruction, slot: int) -> Instruction | None:
        """The instruction that put the value at stack depth `slot` that `user` works on; None if not certain.

        Certain means: every way that leads to `user` comes through it since it was loaded.
        """
        key = (user.index, slot)
        if key not in self._loaders:
            self._loaders[key] = self._loader(user, slot)
        return self._loaders[key]

    def _loader(self, user: Instruction, slot: int) -> Instruction | None:
        found = self.previous(user)
        while found is not None and found.depth - found.pops > slot:
            found = self.previous(found)
        if found is None or found.depth < 0 or found.depth_after <= slot:
            return None
        for jump in self._jumps:
            if found.index < jump.target <= user.index and not found.index <= jump.index:
                return None
        return found

    def _find_depths(self) -> None:
        work = [(0, 0)]
        waiting = list(self.handlers)
        while work:
            while work:
                self._walk(*work.pop(), work)
            reached = [h for h in waiting if any(self._depth_at(u) >= 0 for u in range(h.start, h.end))]
            waiting = [h for h in waiting if h not in reached]
            work.extend((h.target, h.depth) for h in reached)

    def _depth_at(self, unit: int) -> int:
        found = self.instructions.get(unit)
        return -1 if found is None else found.depth

    def _walk(self, index: int, depth: int, work: list[tuple[int, int]]) -> None:
        while True:
            instruction = self.instructions[index]
            if instruction.depth >= 0:
                return
            instruction.depth = depth
            instruction.depth_after = depth + instruction.effect()
            if instruction.target >= 0:
                work.append((instruction.target, depth + instruction.effect(jump=True)))
            if instruction.name in NO_FALL_THROUGH:
                return
            depth = instruction.depth_after
            index = instruction.next


def _instructions(bytecode: bytes) -> dict[int, Instruction]:
    found: dict[int, Instruction] = {}
    index, extended, start, units = 0, 0, -1, len(bytecode) // 2
    while index < units:
        code = bytecode[2 * index]
        arg = bytecode[2 * index + 1] | extended
        instruction = found[index] = Instruction(index, code, arg, index if start < 0 else start)
        if code == opcode.EXTENDED_ARG:
            extended, start = arg << 8, instruction.start
        else:
            extended, start = 0, -1
        index = instruction.next
    return found


def _exception_table(table: bytes) -> Iterator[Handler]:
    # Objects/exception_handling_notes.txt: big-endian groups of six bits, bit 6 says that more follow.
    numbers: list[int] = []
    value = 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            numbers.append(value)
            value = 0
        if len(numbers) == 4:
            yield Handler(*numbers)
            numbers.clear()


_maps: dict[int, tuple[CodeType, CodeMap]] = {}


def code_map(code: CodeType) -> CodeMap:
    """The map of a code object; the last `limits.CODE_MAPS_KEPT` are kept."""
    kept = _maps.get(id(code))
    if kept is not None:
        return kept[1]
    if len(_maps) >= limits.CODE_MAPS_KEPT:
        _maps.clear()
    made = CodeMap(code)
    _maps[id(code)] = (code, made)
    return made


def _locals_count(code: CodeType) -> int:
    count = len(code.co_varnames) + len(code.co_freevars)
    return count + sum(1 for name in code.co_cellvars if name not in code.co_varnames)
