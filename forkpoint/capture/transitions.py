"""What may sit between two frames: the allow-list, by the instruction the calling frame is in.

Between two Python frames there may be C code with a state of its own, which cannot be captured. A transition is
allowed only where that code is known to do nothing but hand the callee's result on, in a way `native/resume.c` can
repeat; everything else is refused, in the user's words. `plan()` says how the caller goes on.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture import attributes, driving, importing, iterating, operators
from forkpoint.capture.bytecode import VERSION, Instruction
from forkpoint.capture.callables import NotPassedOn, interrupts, outcome
from forkpoint.capture.expressions import UNKNOWN, in_mro, is_a, spelled
from forkpoint.capture.frames import Frame
from forkpoint.errors import Refused

CALLS: Final = frozenset({"CALL", "CALL_KW", "CALL_FUNCTION_EX"})
Plan = dict[str, Any]

_REASONS: Final = {
    "FORMAT_VALUE": "an f-string is formatting a value by calling {callee}()",
    "FORMAT_SIMPLE": "an f-string is formatting a value by calling {callee}()",
    "FORMAT_WITH_SPEC": "an f-string is formatting a value by calling {callee}()",
    "CONVERT_VALUE": "an f-string is formatting a value by calling {callee}()",
    "UNARY_NOT": "`not` is asking {callee}()",
    "TO_BOOL": "a condition is asking {callee}()",
    "IMPORT_FROM": "an import is asking {callee}()",
    "UNPACK_SEQUENCE": "an assignment to several names is unpacking what {callee}() gives",
    "UNPACK_EX": "an assignment to several names is unpacking what {callee}() gives",
    "LIST_EXTEND": "a list or argument list is being built from what {callee}() gives",
    "SET_UPDATE": "a set is being built from what {callee}() gives",
    "SET_ADD": "a set is asking {callee}()",
    "BUILD_SET": "a set is asking {callee}()",
    "BUILD_MAP": "a dict is asking {callee}()",
    "MAP_ADD": "a dict is asking {callee}()",
    "DICT_UPDATE": "a dict is being built from what {callee}() gives",
    "DICT_MERGE": "keyword arguments are being built from what {callee}() gives",
    "RAISE_VARARGS": "an exception is being made by {callee}()",
    "GET_AWAITABLE": "`await` is asking {callee}()",
    "GET_ANEXT": "`async for` is asking {callee}()",
    "MATCH_CLASS": "a `match` statement is asking {callee}()",
}


def plan(frame: Frame, callee: Frame, constructed: Any = UNKNOWN) -> Plan:
    """How `frame` goes on when `callee`, which it is waiting for, comes back.

    `constructed` is the object whose inlined `__init__` the callee is (3.13 puts a shim frame in between).
    Raises Refused. The result's depths are slots, that is, locals included.
    """
    if frame.plan is not None:
        # While the callee it waits for is being cleared away, destructors run on top of it as well.
        if callee.address == frame.plan_callee:
            return dict(frame.plan)
        drive = driving.gone_on(frame, callee)
        if drive is None:
            raise Refused(f"{callee.code.co_qualname}() runs while a call comes back", location=str(frame.location))
        return {**frame.plan, "object": drive.told, "feeder": drive.feeder}
    instruction = frame.instruction
    try:
        if frame.position < 0 or instruction.depth < 0:
            raise NotPassedOn("its bytecode cannot be followed")
        if callee.is_async_generator:
            raise NotPassedOn(f"the async generator {callee.code.co_qualname}() is running")
        if callee.entered_through_c:
            interrupted = interrupts(callee)
            if interrupted is not None:
                raise NotPassedOn(interrupted)
        made = _by_instruction(frame, instruction, callee, constructed)
        _check_handlers(frame, instruction)
    except NotPassedOn as refusal:
        raise Refused(str(refusal), location=str(frame.location)) from None
    base = frame.map.locals_count
    for depth in ("keep", "end_keep"):
        if depth in made:
            made[depth] += base
    return made


def _by_instruction(frame: Frame, instruction: Instruction, callee: Frame, constructed: Any) -> Plan:
    name = instruction.name
    if name in CALLS:
        if constructed is not UNKNOWN:
            return result(instruction, "object", object=constructed)
        return _call(frame, instruction, callee)
    handler = _ALLOWED.get(name)
    if handler is None:
        known = _REASONS["TO_BOOL"] if name.startswith("POP_JUMP") else None
        reason = known or _REASONS.get(name, "{callee}() was called by C code in the middle of an instruction ({name})")
        raise NotPassedOn(reason.format(callee=callee.code.co_qualname, name=name))
    if callee.generator is not None and name not in ("FOR_ITER", "SEND"):
        raise NotPassedOn(f"the generator {callee.code.co_qualname}() is being run by C code ({name})")
    return handler(frame, instruction, callee)


def result(instruction: Instruction, name: str, **more: Any) -> Plan:
    """The plan of an instruction that leaves one value."""
    return {"outcome": name, "next": instruction.next, "keep": instruction.depth_after - 1, **more}


def no_result(instruction: Instruction) -> Plan:
    """The plan of an instruction that leaves none."""
    return {"outcome": "drop", "next": instruction.next, "keep": instruction.depth_after}


def _call(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    if not callee.entered_through_c:
        return result(instruction, "push")
    drive = driving.under_way(frame, instruction, callee)
    if drive is not None:
        return result(instruction, "drive", object=drive.told, feeder=drive.feeder)
    found = outcome(frame, instruction, callee)
    if callee.generator is not None and found.name not in ("next", "next-default", "close"):
        raise NotPassedOn(f"C code is in the middle of running the generator {callee.code.co_qualname}()")
    return result(instruction, found.name, object=found.object)


def _for_iter(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    depth = instruction.depth
    iterator = frame.pointer(depth - 1)
    instructions = frame.map.instructions
    end = instruction.target
    if VERSION >= (3, 12):  # END_FOR (and on 3.13 POP_TOP) are skipped: FOR_ITER itself has dropped the iterator
        end = instructions[end].next
    if VERSION >= (3, 13):
        end = instructions[end].next
    made = {"next": instruction.next, "keep": depth, "end": end, "end_keep": depth - 1}
    if callee.generator is not None and iterator == id(callee.generator):
        return {"outcome": "for", **made}
    if callee.generator is None and iterator == id(callee.subject):
        if in_mro(type(callee.subject), "__next__") is callee.function:
            return {"outcome": "for-next", **made}
    over_all = _native.alive(iterator)  # it may just be dropped, at the end of the loop
    feeder = None if over_all is _native.NULL else iterating.feeder(over_all, callee)
    if feeder is not None:
        return {"outcome": "through", "object": over_all, "feeder": feeder, **made}
    found = frame.map.loader(instruction, depth - 1)
    over = "" if found is None or found.name != "GET_ITER" else _spelled_call(frame, found)
    subject = f"`{over}`" if over else "a C iterator"
    raise NotPassedOn(f"a `for` loop is waiting for {subject}, which is calling {callee.code.co_qualname}()")


def _spelled_call(frame: Frame, get_iter: Instruction) -> str:
    call = frame.map.loader(get_iter, get_iter.depth - 1)
    if call is None or call.name != "CALL":
        return ""
    return spelled(frame, call, call.depth_after - 1) or spelled(frame, call, call.depth_after)


def _send(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    depth = instruction.depth
    if callee.generator is None or frame.pointer(depth - 2) != id(callee.generator):
        raise NotPassedOn(
            f"`yield from` or `await` is waiting for C code, which is running {callee.code.co_qualname}()"
        )
    # [receiver, value] becomes [receiver, yielded]; at the end 3.11 leaves [returned], later [receiver, returned].
    end_keep = depth - 2 if VERSION == (3, 11) else depth - 1
    return {
        "outcome": "send",
        "next": instruction.next,
        "keep": depth - 1,
        "end": instruction.target,
        "end_keep": end_keep,
    }


def _before_with(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    subject = callee.subject
    kind = type(subject)
    leave = in_mro(kind, "__exit__")
    if in_mro(kind, "__enter__") is not callee.function or callee.function is None:
        raise NotPassedOn(f"`with` is calling {callee.code.co_qualname}() through C code")
    address = frame.pointer(instruction.depth - 1)
    if VERSION >= (3, 12) and address != id(subject):
        raise NotPassedOn(f"`with` is calling {callee.code.co_qualname}() through C code")
    if not is_a(leave, types.FunctionType, types.MethodDescriptorType, classmethod, staticmethod):
        raise NotPassedOn("`with` is using an object without a plain __exit__")
    bound = leave.__get__(subject, kind)
    return {"outcome": "enter", "next": instruction.next, "keep": instruction.depth - 1, "before": [bound]}


def _with_except_start(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    # The exit method stays on the stack below the exception, so it is alive whatever happens here.
    depth = instruction.depth - 4 + frame.map.locals_count
    leave = _native.frame_slots(frame.address, depth + 1)[depth]
    function = leave.__func__ if type(leave) is types.MethodType else leave
    if type(function) is not types.FunctionType or function is not callee.function:
        raise NotPassedOn(f"a `with` block is being left through C code that calls {callee.code.co_qualname}()")
    return result(instruction, "push")


def _get_iter(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    require_method(frame, instruction.depth - 1, callee, "__iter__")
    return result(instruction, "iterator")


def require_method(frame: Frame, depth: int, callee: Frame, *names: str) -> None:
    """Refuse unless the callee is the method of that name of the operand at that depth."""
    subject = callee.subject
    if frame.pointer(depth) == id(subject) and callee.function is not None:
        if any(in_mro(type(subject), name) is callee.function for name in names):
            return
    raise NotPassedOn(f"{callee.code.co_qualname}() was called by C code in the middle of an expression")


def _subscript(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    if callee.entered_through_c:
        depth = instruction.depth - (3 if instruction.name == "BINARY_SLICE" else 2)
        subject = callee.subject
        if is_a(subject, type):
            found = in_mro(subject, "__class_getitem__")
            if not is_a(found, classmethod) or found.__func__ is not callee.function:
                raise NotPassedOn(f"C code is calling {callee.code.co_qualname}() for a subscript")
            if frame.pointer(depth) != id(subject):
                raise NotPassedOn(f"C code is calling {callee.code.co_qualname}() for a subscript")
        elif is_a(subject, dict) and in_mro(type(subject), "__getitem__") is dict.__dict__["__getitem__"]:
            require_method(frame, depth, callee, "__missing__")
        else:
            require_method(frame, depth, callee, "__getitem__")
    return result(instruction, "push")


def _change_item(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    if instruction.name == "DELETE_SUBSCR":
        require_method(frame, instruction.depth - 2, callee, "__delitem__")
    elif instruction.name == "STORE_SLICE":
        require_method(frame, instruction.depth - 3, callee, "__setitem__")
    else:
        require_method(frame, instruction.depth - 2, callee, "__setitem__")
    return no_result(instruction)


def _contains(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    require_method(frame, instruction.depth - 1, callee, "__contains__")
    return result(instruction, "untruth" if instruction.arg & 1 else "truth")


def _unary(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    names = {"UNARY_NEGATIVE": "__neg__", "UNARY_INVERT": "__invert__", "UNARY_POSITIVE": "__pos__"}
    require_method(frame, instruction.depth - 1, callee, names[instruction.name])
    return result(instruction, "push")


def _attribute(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    made = result(instruction, "push")
    is_method_form = instruction.name == "LOAD_METHOD" or (VERSION >= (3, 12) and instruction.arg & 1)
    if callee.entered_through_c:
        attributes.require_read(frame, instruction, callee)
    if is_method_form:  # the attribute and an empty slot, in the order the version wants them
        made["keep"] -= 1
        made["after" if VERSION >= (3, 13) else "before"] = [_native.NULL]
    return made


def _change_attribute(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    attributes.require_change(frame, instruction, callee)
    return no_result(instruction)


def _operator(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    return result(instruction, "operator", **operators.describe(frame, instruction, callee))


def _import(frame: Frame, instruction: Instruction, callee: Frame) -> Plan:
    made = importing.plan(frame, instruction, callee)
    if made is None:
        raise NotPassedOn(f"an import is calling {callee.code.co_qualname}()")
    return made


def _check_handlers(frame: Frame, instruction: Instruction) -> None:
    # 3.13 looks for the handler one unit before the one that raised (ceval.c: INSTR_OFFSET() - 1).
    code = frame.map
    if VERSION >= (3, 13) and code.handler_at(instruction.index) is not code.handler_at(instruction.index - 1):
        raise NotPassedOn("an exception here would be handled in another place")


_ALLOWED: Final[dict[str, Callable[[Frame, Instruction, Frame], Plan]]] = {
    "FOR_ITER": _for_iter,
    "IMPORT_NAME": _import,
    "SEND": _send,
    "BEFORE_WITH": _before_with,
    "WITH_EXCEPT_START": _with_except_start,
    "GET_ITER": _get_iter,
    "GET_YIELD_FROM_ITER": _get_iter,
    "BINARY_SUBSCR": _subscript,
    "BINARY_SLICE": _subscript,
    "STORE_SUBSCR": _change_item,
    "DELETE_SUBSCR": _change_item,
    "STORE_SLICE": _change_item,
    "CONTAINS_OP": _contains,
    "UNARY_NEGATIVE": _unary,
    "UNARY_INVERT": _unary,
    "UNARY_POSITIVE": _unary,
    "LOAD_ATTR": _attribute,
    "LOAD_METHOD": _attribute,
    "LOAD_SUPER_ATTR": _attribute,
    "STORE_ATTR": _change_attribute,
    "DELETE_ATTR": _change_attribute,
    "BINARY_OP": _operator,
    "COMPARE_OP": _operator,
}
