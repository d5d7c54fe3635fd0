"""The call stack as values: is it resumable, where, and if not, why.

A capture walks the frames from the innermost program frame outwards to the base: the frame that called the program,
or the end of the stack. Each frame is taken with the part of its value stack that lies below the pending
instruction's operands, and with the plan for what its callee's outcome means (see `transitions`).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection
from types import CellType, CodeType, FunctionType
from typing import Any, Final, Literal, NamedTuple

from forkpoint import _native
from forkpoint.capture import importing, transitions
from forkpoint.capture.bytecode import VERSION, Instruction
from forkpoint.capture.expressions import UNKNOWN, is_in
from forkpoint.capture.frames import Frame, running
from forkpoint.errors import Refused
from forkpoint.model import IMPORTING, CapturedStack, FrameRecord, Location, Refusal

Mode = Literal["call", "line", "jump"]

_bases: Final[set[int]] = set()
_base_codes: Final[list[CodeType]] = []
_RUNPY_ENTRY: Final = "_run_module_as_main"


class Resumable(NamedTuple):
    """The deepest frame a capture could begin in now; `blocked` says why not deeper, None if nothing is deeper."""

    address: int
    code: CodeType
    location: Location
    blocked: Refusal | None


def set_base(code: CodeType) -> None:
    """Frames of this code, and whatever called them, are not the program's: captures end above them."""
    if id(code) not in _bases:
        _bases.add(id(code))
        _base_codes.append(code)


def capture(mode: Mode, *, destination: int | None = None) -> CapturedStack:
    """The program's stack, outermost frame first.

    "call": forkpoint was called from the innermost program frame, which will get the call's result again;
    "line": that frame is about to begin the instruction it stands on; "jump": it is about to go on at `destination`
    (in bytes). Raises Refused with a reason in the user's words. Must not be called while handling an exception.
    """
    _require_main_thread()
    frames, ours, used = _program_frames()
    handling = _native.exception_chain()[sum(1 for f in ours if f.generator is not None) :]
    innermost = frames[0]
    if mode == "call":
        plan = _call_plan(innermost, ours)
    else:
        plan = _start_plan(innermost, destination if mode == "jump" else None)
    plan["recursion"] = used
    records = [_record(innermost, plan, handling)]
    _require_no_import_of_a_library(frames)
    for frame, callee, constructed in _transitions(frames):
        records.append(_record(frame, transitions.plan(frame, callee, constructed), handling))
    return CapturedStack(tuple(reversed(records)), handling[0], sys.getrecursionlimit())


def deepest_resumable(avoided: Collection[CodeType] = ()) -> Resumable:
    """Walk from the outermost frame inwards as far as every transition is allowed and no function is to be avoided.

    Raises Refused if not even the outermost frame will do.
    """
    _require_main_thread()
    frames, _, _ = _program_frames()
    outermost = [frame for frame in frames if frame.function is not None][-1]
    found, blocked = outermost, None
    importers = importing.not_the_programs(frames)
    for frame, callee, constructed in reversed(list(_transitions(frames))):
        try:
            transitions.plan(frame, callee, constructed)
            _require_enterable(callee)
            if callee.address in importers:
                raise Refused(IMPORTING, location=str(frame.location))
            if is_in(callee.code, avoided):
                raise Refused(f"{callee.code.co_qualname}() cannot be saved halfway", location=str(frame.location))
        except Refused as refusal:
            blocked = Refusal(refusal.reason, refusal.location)
            break
        found = callee
    _require_enterable(found)
    return Resumable(found.address, found.code, found.location, blocked)


def _require_no_import_of_a_library(frames: list[Frame]) -> None:
    importers = importing.not_the_programs(frames)
    inside = next((frame for frame in frames if frame.address in importers), None)
    if inside is not None:
        raise Refused(IMPORTING, location=str(inside.location))


def _require_main_thread() -> None:
    if _native.rebuilding():
        raise Refused("the program is just being restored")
    if threading.current_thread() is not threading.main_thread():
        raise Refused(f"checkpoints are taken in the main thread, this is {threading.current_thread().name}")


def _is_ours(frame: Frame) -> bool:
    name = frame.namespace.get("__name__") if type(frame.namespace) is dict else None
    return type(name) is str and (name == "forkpoint" or name.startswith("forkpoint."))


def _program_frames() -> tuple[list[Frame], list[Frame], int]:
    """The program's frames, forkpoint's own inside of them (both innermost first), and how much of the recursion
    limit the program's frames use.
    """
    frames = running()
    used = _native.recursion_used() + 1  # running() was one call deeper
    count = 0
    while count < len(frames) and _is_ours(frames[count]) and id(frames[count].code) not in _bases:
        count += 1
    ours, program = frames[:count], []
    for frame in frames[count:]:
        if id(frame.code) in _bases:
            break
        if _is_ours(frame):
            raise Refused("forkpoint itself called this code", location=str(frame.location))
        program.append(frame)
    if not program or all(frame.function is None for frame in program):
        raise Refused("no code of the program is running")
    if not _bases.intersection(id(frame.code) for frame in frames):
        _require_main_module(program[-1])
    return program, ours, max(used - len(ours), 1)


def _require_main_module(outermost: Frame) -> None:
    if outermost.kind == "code" or outermost.code.co_name == _RUNPY_ENTRY:
        return
    # An atexit function, an exception hook: the main module's frame is gone.
    raise Refused(f"{outermost.code.co_qualname}() was called by the interpreter, outside the program's main module")


def _transitions(frames: list[Frame]) -> list[tuple[Frame, Frame, Any]]:
    """Caller, callee, and the object whose inlined `__init__` the callee is; innermost first."""
    found = []
    callee, constructed = frames[0], UNKNOWN
    for frame in frames[1:]:
        if frame.function is None:  # 3.13: the shim that checks what an inlined __init__ returned
            constructed = _native.frame_slots(frame.address, 1)[0]
            continue
        found.append((frame, callee, constructed))
        callee, constructed = frame, UNKNOWN
    return found


def _call_plan(frame: Frame, ours: list[Frame]) -> dict[str, Any]:
    if not ours:
        raise Refused("checkpoint() was not called by Python code", location=str(frame.location))
    if frame.plan is not None or frame.instruction.name not in transitions.CALLS:
        raise Refused("checkpoint() must be called by an ordinary call", location=str(frame.location))
    plan = transitions.plan(frame, ours[-1])
    if plan["outcome"] != "push":
        raise Refused("checkpoint() was called in a way that cannot be repeated", location=str(frame.location))
    return {"outcome": "value", "next": plan["next"], "keep": plan["keep"]}


def _start_plan(frame: Frame, destination: int | None) -> dict[str, Any]:
    """The innermost frame begins at an instruction: the one it stands on, or that at `destination` (bytes)."""
    if frame.position < 0 or frame.plan is not None:
        raise Refused("the function has not begun", location=str(frame.location))
    instruction = frame.map.at(frame.position if destination is None else destination // 2)
    if instruction.depth < 0 or _has_keywords_pending(frame, instruction):
        raise Refused("a call is half prepared", location=str(frame.location))
    return {
        "outcome": "nothing",
        "next": instruction.start,
        "keep": frame.map.locals_count + frame.map.instructions[instruction.start].depth,
    }


def _has_keywords_pending(frame: Frame, instruction: Instruction) -> bool:
    # Up to 3.12 KW_NAMES leaves the names in a C variable for the call behind it.
    before = frame.map.previous(instruction)
    if before is not None and before.name == "PRECALL":
        before = frame.map.previous(before)
    return VERSION < (3, 13) and before is not None and before.name == "KW_NAMES"


def _require_enterable(frame: Frame) -> None:
    reason = None
    if frame.is_async_generator:
        reason = f"the async generator {frame.code.co_qualname}() is running"
    elif frame.kind == "code" and frame.code.co_freevars:
        reason = "exec() was given a closure"
    elif frame.kind == "code" and type(frame.namespace) is not dict:
        reason = "exec() was given globals of another type than dict"
    if reason is not None:
        raise Refused(reason, location=str(frame.location))


def _record(frame: Frame, plan: dict[str, Any], handling: list[Any]) -> FrameRecord:
    """One frame as values; takes its own entry off `handling` if it is a generator."""
    _require_enterable(frame)
    exception = handling.pop(0) if frame.generator is not None else _native.NULL
    count = max(plan["keep"], plan.get("end_keep", 0))
    slots = _native.frame_slots(frame.address, count)
    return FrameRecord(
        kind=frame.kind,
        code=frame.code,
        function=_function(frame, slots) if frame.kind != "code" else None,
        namespace=frame.namespace,
        local_namespace=frame.local_namespace,
        slots=slots,
        position=frame.position,
        plan=plan,
        generator=frame.generator,
        exception=exception,
        location=frame.location,
    )


def _function(frame: Frame, slots: list[Any]) -> FunctionType | None:
    """The frame's function, or one like it if its code was exchanged while it was running."""
    function: FunctionType | None = frame.function
    if function is None or function.__code__ is frame.code:
        return function
    first = frame.map.locals_count - len(frame.code.co_freevars)
    cells = slots[first : first + len(frame.code.co_freevars)]
    closure = tuple(cell if type(cell) is CellType else CellType() for cell in cells)
    return FunctionType(frame.code, frame.namespace, function.__name__, None, closure or None)
