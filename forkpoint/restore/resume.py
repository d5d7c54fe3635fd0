"""The program goes on where it was: a captured stack is rebuilt and run."""

from __future__ import annotations

import builtins
import operator
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture import stack as capture_stack
from forkpoint.capture.adapters import tracing
from forkpoint.capture.expressions import UNKNOWN, in_mro
from forkpoint.errors import RestoreFailed
from forkpoint.model import CapturedStack, FrameRecord

_KINDS: Final = {"function": 0, "code": 1, "generator": 2}

_ARITHMETIC: Final[Mapping[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "+": ("add", operator.add),
    "&": ("and", operator.and_),
    "//": ("floordiv", operator.floordiv),
    "<<": ("lshift", operator.lshift),
    "@": ("matmul", operator.matmul),
    "*": ("mul", operator.mul),
    "%": ("mod", operator.mod),
    "|": ("or", operator.or_),
    "**": ("pow", operator.pow),
    ">>": ("rshift", operator.rshift),
    "-": ("sub", operator.sub),
    "/": ("truediv", operator.truediv),
    "^": ("xor", operator.xor),
}
_REFLECTED: Final = {"<": "__gt__", "<=": "__ge__", "==": "__eq__", "!=": "__ne__", ">": "__lt__", ">=": "__le__"}


def resume(stack: CapturedStack, value: object) -> object:
    """Rebuild the frames, outermost first, and run them to the end of the outermost; returns or raises what it does.

    `value` is what the call that was captured returns this time. The stack is used up: afterwards the frames alone
    hold what they held. Every frame is checked before anything runs:
    raises RestoreFailed, or SystemError and ValueError for frames that do not fit their code.
    """
    capture_stack.set_base(sys._getframe().f_code)
    if not stack.frames:
        raise RestoreFailed("the restore point has no call stack")
    sys.setrecursionlimit(stack.recursion_limit)
    recursion = stack.frames[-1].plan.get("recursion", 0)
    rows = [_row(record) for record in stack.frames]
    handled = [stack.exception]
    _use_up(stack)
    return _native.resume(rows, handled, value, _ask_the_other, tracing.begin, recursion)


def _use_up(stack: CapturedStack) -> None:
    """Whoever still holds the stack must not keep alive what the program will drop: frozen or not, it is emptied."""
    for record in stack.frames:
        for name in ("function", "slots", "plan", "generator", "exception", "local_namespace"):
            object.__setattr__(record, name, None)
    object.__setattr__(stack, "exception", None)


def _row(record: FrameRecord) -> tuple[object, ...]:
    if record.kind == "code":
        record.namespace.setdefault("__builtins__", builtins)
        target: Any = record.code
    else:
        target = record.generator if record.kind == "generator" else record.function
    code = record.code
    if record.kind == "function":
        code = record.function.__code__
    elif record.kind == "generator":
        code = _native.generator_read(record.generator)[2]
    if code != record.code:
        raise RestoreFailed(f"{record.location}: the restored function is another one")
    kind = _KINDS[record.kind]
    names = (record.namespace, record.local_namespace)
    return (kind, target, *names, record.slots, record.position, code, record.exception, record.plan)


def _ask_the_other(plan: Mapping[str, Any]) -> object:
    """An operator's method has returned NotImplemented: do what the interpreter does next."""
    symbol, left, right, asked = plan["symbol"], plan["left"], plan["right"], plan["asked"]
    if symbol in _REFLECTED:
        return _compare(symbol, left, right, asked)
    base = symbol.removesuffix("=")
    name, apply = _ARITHMETIC[base]
    if asked == "inplace":
        return apply(left, right)
    if asked == "forward" and type(left) is not type(right):
        found = _ask(right, f"__r{name}__", left)
        if found is not NotImplemented:
            return found
    shown = "** or pow()" if symbol == "**" else symbol
    kinds = f"'{type(left).__name__}' and '{type(right).__name__}'"
    raise TypeError(f"unsupported operand type(s) for {shown}: {kinds}")


def _compare(symbol: str, left: Any, right: Any, asked: str) -> object:
    if asked == "forward":
        found = _ask(right, _REFLECTED[symbol], left)
        if found is not NotImplemented:
            return found
    if symbol in ("==", "!="):
        return (left is right) == (symbol == "==")
    kinds = f"'{type(left).__name__}' and '{type(right).__name__}'"
    raise TypeError(f"'{symbol}' not supported between instances of {kinds}")


def _ask(owner: Any, method: str, other: Any) -> Any:
    return NotImplemented if in_mro(type(owner), method) is UNKNOWN else getattr(type(owner), method)(owner, other)
