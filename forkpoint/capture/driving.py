"""A builtin's loop under way (list(), sum(), ...): what it knows, and whether the callee's value is what it awaits.

`native/drive.c` keeps what the C loop would hide. It is believed only where the calling instruction itself calls the
builtin with the very iterable: C code in between may call one too.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from forkpoint import _native
from forkpoint.capture import callables, iterating
from forkpoint.capture.bytecode import Instruction
from forkpoint.capture.frames import Frame

_DOING: Final = 1
_OBJECTS: Final = 2
_WAITING: Final = 1
_ASKING: Final = 2


class Drive(NamedTuple):
    """One loop as `native/resume.c` goes on with it; `feeder` is None where its function is being asked."""

    told: tuple[Any, ...]
    feeder: Any


class _Objects(NamedTuple):
    """The objects of a loop, `_native.NULL` for what it has not (struct fp_drive in native/drive.h)."""

    source: Any
    iterator: Any
    function: Any
    made: Any
    item: Any
    best: Any
    extra: Any


def start() -> None:
    """From now on what list(), sum(), max() and their like know in mid-loop can be seen; nothing else about them
    changes.
    """
    _native.drive_start()


def under_way(frame: Frame, call: Instruction, callee: Frame) -> Drive | None:
    """The loop that the calling instruction has begun and that the callee's value goes to; None if not certain."""
    if call.name not in ("CALL", "CALL_KW"):
        return None
    found = _native.driving(frame.address)
    if len(found) != 1:
        return None
    where = callables.operands(frame, call)
    builtin, told = found[0]
    source = _Objects._make(told[_OBJECTS]).source
    if frame.pointer(where.callable) != builtin:
        return None
    given = (frame.pointer(where.first_argument + index) for index in range(where.arguments))
    return _awaiting(told, callee) if id(source) in given else None


def gone_on(frame: Frame, callee: Frame) -> Drive | None:
    """The loop of a restored frame, gone on with, if it is what runs the callee."""
    plan = frame.plan or {}
    found = _native.driving(frame.address)
    if plan.get("outcome") != "drive" or len(found) != 1:
        return None
    told = found[0][1]
    if _Objects._make(told[_OBJECTS]).source is not _Objects._make(plan["object"][_OBJECTS]).source:
        return None
    return _awaiting(told, callee)


def _awaiting(told: tuple[Any, ...], callee: Frame) -> Drive | None:
    objects = _Objects._make(told[_OBJECTS])
    if told[_DOING] == _ASKING:
        return Drive(told, None) if iterating.returns(objects.function, callee) else None
    feeder = iterating.feeder(objects.iterator, callee) if told[_DOING] == _WAITING else None
    return None if feeder is None else Drive(told, feeder)
