"""Which operator method is running, and which is asked next should it return NotImplemented."""

from __future__ import annotations

import opcode
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture.bytecode import VERSION, Instruction
from forkpoint.capture.callables import NotPassedOn
from forkpoint.capture.expressions import in_mro, is_in, mro
from forkpoint.capture.frames import Frame

_METHODS: Final = {
    "+": "add",
    "&": "and",
    "//": "floordiv",
    "<<": "lshift",
    "@": "matmul",
    "*": "mul",
    "%": "mod",
    "|": "or",
    "**": "pow",
    ">>": "rshift",
    "-": "sub",
    "/": "truediv",
    "^": "xor",
}
_COMPARISONS: Final = {
    "<": ("__lt__", "__gt__"),
    "<=": ("__le__", "__ge__"),
    "==": ("__eq__", "__eq__"),
    "!=": ("__ne__", "__ne__"),
    ">": ("__gt__", "__lt__"),
    ">=": ("__ge__", "__le__"),
}
_COMPARE_SHIFT: Final = {(3, 11): 0, (3, 12): 4}.get(VERSION, 5)
_COMPARE_TO_BOOL: Final = 16
_SEQUENCES: Final = (list, tuple, str, bytes, bytearray)


def describe(frame: Frame, instruction: Instruction, callee: Frame) -> dict[str, Any]:
    """`symbol`, `left`, `right`, `asked` ("forward", "inplace" or "reflected": whose answer is awaited) and, for a
    comparison, `truth` (whether the instruction wants a bool). Raises NotPassedOn.
    """
    arguments = callee.arguments()
    if len(arguments) < 2 or is_in(_native.NULL, arguments[:2]) or callee.function is None:
        raise _refusal(callee)
    left, right = frame.pointer(instruction.depth - 2), frame.pointer(instruction.depth - 1)
    subject, other = arguments[0], arguments[1]
    if left == right and instruction.name == "COMPARE_OP":
        raise NotPassedOn(f"both operands of an operator are the same object, and {callee.code.co_qualname}() runs")
    if (left, right) == (id(subject), id(other)):
        is_left = True
    elif (left, right) == (id(other), id(subject)):
        is_left = False
    else:
        raise _refusal(callee)
    _require_unrelated(subject, other, callee)
    asked = _compared if instruction.name == "COMPARE_OP" else _computed
    symbol, stage, truth = asked(instruction, callee, subject, is_left)
    first, second = (subject, other) if is_left else (other, subject)
    return {"symbol": symbol, "left": first, "right": second, "asked": stage, "truth": truth}


def _require_unrelated(subject: Any, other: Any, callee: Frame) -> None:
    # A subclass on the right is asked first, and a sequence's + and * have another slot: not followed here.
    kinds = (type(subject), type(other))
    related = kinds[0] is not kinds[1] and (is_in(kinds[0], mro(kinds[1])) or is_in(kinds[1], mro(kinds[0])))
    if related or issubclass(kinds[0], _SEQUENCES) or issubclass(kinds[1], _SEQUENCES):
        raise _refusal(callee)


def _computed(instruction: Instruction, callee: Frame, subject: Any, is_left: bool) -> tuple[str, str, bool]:
    symbol: str = opcode._nb_ops[instruction.arg][1]  # type: ignore[attr-defined]
    base = symbol.removesuffix("=")
    candidates = [("reflected", f"__r{_METHODS[base]}__")]
    if is_left:
        candidates = [("forward", f"__{_METHODS[base]}__")]
        if symbol != base:
            candidates.insert(0, ("inplace", f"__i{_METHODS[base]}__"))
    for stage, method in candidates:
        if in_mro(type(subject), method) is callee.function:
            return symbol, stage, False
    raise _refusal(callee)


def _compared(instruction: Instruction, callee: Frame, subject: Any, is_left: bool) -> tuple[str, str, bool]:
    symbol = opcode.cmp_op[instruction.arg >> _COMPARE_SHIFT]
    method = _COMPARISONS[symbol][0 if is_left else 1]
    if in_mro(type(subject), method) is not callee.function:
        raise _refusal(callee)
    truth = VERSION >= (3, 13) and bool(instruction.arg & _COMPARE_TO_BOOL)
    return symbol, "forward" if is_left else "reflected", truth


def _refusal(callee: Frame) -> NotPassedOn:
    return NotPassedOn(f"an operator is being worked out by C code that calls {callee.code.co_qualname}()")
