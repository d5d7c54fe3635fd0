"""One interpreter frame as the native module shows it, read without ever following an operand that may dangle."""

from __future__ import annotations

from types import CellType, CodeType
from typing import Any, Final, NamedTuple

from forkpoint import _native
from forkpoint.capture.bytecode import CodeMap, Instruction, code_map
from forkpoint.model import FrameKind, Location

_CO_OPTIMIZED: Final = 0x1
_CO_VARARGS: Final = 0x4
_CO_ASYNC_GENERATOR: Final = 0x200


class Frame(NamedTuple):
    """A frame on the running stack. Valid only until control returns to it or to a caller of it.

    `address` is its C address; `position` the code unit its instruction pointer stands on; `plan` is set on a
    restored frame whose callee, the frame at `plan_callee`, has not come back yet: such a frame has no operands.
    """

    address: int
    code: CodeType
    function: Any  # a FunctionType or None; typed so, mypy would bind it
    namespace: dict[str, Any]
    local_namespace: Any
    position: int
    line: int
    entered_through_c: bool
    generator: Any
    generator_owners: int
    plan: dict[str, Any] | None
    plan_callee: int

    @property
    def map(self) -> CodeMap:
        """What is known of its bytecode."""
        return code_map(self.code)

    @property
    def instruction(self) -> Instruction:
        """The instruction it is in; on 3.11 PRECALL, which may do the whole call, counts as its CALL."""
        found = self.map.at(self.position)
        return self.map.at(found.next) if found.name == "PRECALL" else found

    @property
    def kind(self) -> FrameKind:
        """How it can be entered again."""
        if self.generator is not None:
            return "generator"
        return "function" if self.code.co_flags & _CO_OPTIMIZED else "code"

    @property
    def is_async_generator(self) -> bool:
        """Whether it belongs to an async generator, which only C code can drive."""
        return bool(self.code.co_flags & _CO_ASYNC_GENERATOR)

    @property
    def location(self) -> Location:
        """Where it stands, in the user's words."""
        return Location(self.code.co_filename, self.line, self.code.co_qualname)

    def pointer(self, depth: int) -> int:
        """The raw address in the value stack slot at this depth; to be compared with `id()`, never followed."""
        return _native.frame_pointer(self.address, self.map.locals_count + depth)

    def local(self, index: int) -> Any:
        """The value of a local, looking into its cell; `_native.NULL` when it is not bound."""
        value = _native.frame_slots(self.address, index + 1)[index]
        if type(value) is CellType and self._is_cell(index):
            try:
                return value.cell_contents
            except ValueError:
                return _native.NULL
        return value

    def arguments(self) -> tuple[Any, ...]:
        """Its positional arguments as they are bound now; `_native.NULL` for one that was deleted."""
        code = self.code
        found = [self.local(index) for index in range(code.co_argcount)]
        if code.co_flags & _CO_VARARGS:
            rest = self.local(code.co_argcount + code.co_kwonlyargcount)
            if type(rest) is tuple:
                found.extend(rest)
        return tuple(found)

    @property
    def subject(self) -> Any:
        """Its first argument, which is `self` in a method; `_native.NULL` when there is none."""
        code = self.code
        if code.co_argcount:
            return self.local(0)
        found = self.arguments()
        return found[0] if found else _native.NULL

    def _is_cell(self, index: int) -> bool:
        names = self.code.co_varnames
        return index >= len(names) or names[index] in self.code.co_cellvars


def running() -> list[Frame]:
    """This thread's frames, innermost first."""
    return [Frame._make(row) for row in _native.frames()]
