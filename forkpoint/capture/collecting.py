"""A list() under way: what it has collected, and whether the callee's value is what it appends next.

`native/collect.c` keeps what the C loop of list() would hide. It is believed only where the calling instruction
itself calls `list` with the very iterator: C code in between may call list() too.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture import callables
from forkpoint.capture.bytecode import Instruction
from forkpoint.capture.frames import Frame

_CONTAINERS: Final[tuple[Iterable[Any], ...]] = (
    *([], (), "", "é", b"", bytearray(), range(0), range(1 << 70), set()),
    *({}, {}.values(), {}.items(), reversed([])),
)
_WITHOUT_CALLS: Final = frozenset(type(iter(made)) for made in _CONTAINERS)
"""C iterators of builtin containers: what they run is at most `__index__` or the like, never a function of a map."""


def start() -> None:
    """From now on what a list() of a generator or map has collected can be seen; nothing else about list() changes."""
    _native.collect_start()


def under_way(frame: Frame, call: Instruction, callee: Frame) -> tuple[list[Any], Any] | None:
    """The list so far and its iterator, where the callee's value is the next item; None if that is not certain."""
    if call.name != "CALL":
        return None
    where = callables.operands(frame, call)
    if frame.pointer(where.callable) != id(list) or where.arguments != 1:
        return None
    found = _native.collecting(frame.address)
    if len(found) != 1 or frame.pointer(where.first_argument) != id(found[0][1]):
        return None
    return found[0] if gives_next(found[0][1], callee) else None


def goes_on(frame: Frame, callee: Frame) -> bool:
    """Whether a restored frame's list(), gone on with, is what runs the callee."""
    plan = frame.plan or {}
    found = _native.collecting(frame.address)
    return (
        plan.get("outcome") == "collect"
        and len(found) == 1
        and found[0][0] is plan["list"]
        and gives_next(found[0][1], callee)
    )


def gives_next(iterator: Any, callee: Frame) -> bool:
    """Whether `iterator` runs the callee itself, and hands on what that yields (a generator) or returns (a map)."""
    if type(iterator) is types.GeneratorType:
        return iterator is callee.generator
    if type(iterator) is not map or callee.generator is not None:
        return False
    made_of: tuple[Any, ...] = iterator.__reduce__()  # type: ignore[assignment]
    function, *sources = made_of[1]
    if not all(_calls_no_function(source) for source in sources):
        return False
    try:
        return callables.passes_on(function, callee).name == "push"
    except callables.NotPassedOn:
        return False


def _calls_no_function(source: Any) -> bool:
    """Whether the callee, which is no generator, cannot have been called by this iterator of a map."""
    kind = type(source)
    if kind is zip:
        return all(_calls_no_function(each) for each in source.__reduce__()[1])
    return kind in _WITHOUT_CALLS or kind is types.GeneratorType
