"""Which Python code may run inside an attribute access, and that its result is the access's result."""

from __future__ import annotations

import types
from typing import Any

from forkpoint import _native
from forkpoint.capture.bytecode import VERSION, Instruction
from forkpoint.capture.callables import NotPassedOn, passes_on
from forkpoint.capture.expressions import UNKNOWN, in_mro, is_a, mro
from forkpoint.capture.frames import Frame

_PLAIN_ACCESS = object.__dict__["__getattribute__"]
_PLAIN_CHANGE = {"__setattr__": object.__dict__["__setattr__"], "__delattr__": object.__dict__["__delattr__"]}


def require_read(frame: Frame, instruction: Instruction, callee: Frame) -> None:
    """Refuse unless the callee's result is what the LOAD_ATTR gives: `__getattribute__` without a `__getattr__`
    behind it, `__getattr__`, a property's getter or a Python descriptor's `__get__`. Raises NotPassedOn.
    """
    name = frame.code.co_names[_name_index(instruction)]
    owner = frame.pointer(instruction.depth - 1)
    subject, function = callee.subject, callee.function
    if subject is _native.NULL or function is None:
        raise _refusal(name, callee)
    if owner == id(subject):
        kind = type(subject)
        has_fallback = in_mro(kind, "__getattr__") is not UNKNOWN
        if in_mro(kind, "__getattr__") is function and instruction.name != "LOAD_SUPER_ATTR":
            return
        if has_fallback:
            raise NotPassedOn(f"{callee.code.co_qualname}() is running, and __getattr__ may have to run after it")
        if in_mro(kind, "__getattribute__") is function and instruction.name != "LOAD_SUPER_ATTR":
            return
        if _is_property_of(subject, name, callee, instruction):
            return
    elif _is_descriptor(subject, name, callee, owner):
        return
    raise _refusal(name, callee)


def require_change(frame: Frame, instruction: Instruction, callee: Frame) -> None:
    """Refuse unless the callee is what STORE_ATTR or DELETE_ATTR comes down to. Raises NotPassedOn."""
    name = frame.code.co_names[instruction.arg]
    hook, part, method = ("__setattr__", "fset", "__set__")
    if instruction.name == "DELETE_ATTR":
        hook, part, method = ("__delattr__", "fdel", "__delete__")
    owner = frame.pointer(instruction.depth - 1)
    subject, function = callee.subject, callee.function
    if subject is _native.NULL or function is None:
        raise _refusal(name, callee)
    if owner == id(subject):
        kind = type(subject)
        if in_mro(kind, hook) is function:
            return
        found = in_mro(kind, name)
        if in_mro(kind, hook) is _PLAIN_CHANGE[hook] and type(found) is property:
            if _runs(getattr(found, part), callee):
                return
    else:
        arguments = callee.arguments()
        if len(arguments) > 1 and owner == id(arguments[1]) and in_mro(type(subject), method) is function:
            kind = type(arguments[1])
            if in_mro(kind, name) is subject and in_mro(kind, hook) is _PLAIN_CHANGE[hook]:
                return
    raise _refusal(name, callee)


def _name_index(instruction: Instruction) -> int:
    if instruction.name == "LOAD_SUPER_ATTR":
        return instruction.arg >> 2
    return instruction.arg if VERSION == (3, 11) else instruction.arg >> 1


def _is_property_of(subject: Any, name: str, callee: Frame, instruction: Instruction) -> bool:
    kind = type(subject)
    if in_mro(kind, "__getattribute__") is not _PLAIN_ACCESS:
        return False
    if instruction.name == "LOAD_SUPER_ATTR":
        found = [in_mro(kind, name), *(in_mro(kind, name, base) for base in mro(kind))]
        return any(type(each) is property and _runs(each.fget, callee) for each in found)
    each = in_mro(kind, name)
    return type(each) is property and _runs(each.fget, callee)


def _is_descriptor(subject: Any, name: str, callee: Frame, owner: int) -> bool:
    """`__get__(self, instance, type)`, with self found in the instance's class under that name."""
    arguments = callee.arguments()
    if len(arguments) < 2 or owner != id(arguments[1]) or in_mro(type(subject), "__get__") is not callee.function:
        return False
    kind = type(arguments[1])
    plain = in_mro(kind, "__getattribute__") is _PLAIN_ACCESS and in_mro(kind, "__getattr__") is UNKNOWN
    return plain and in_mro(kind, name) is subject


def _runs(function: Any, callee: Frame) -> bool:
    if not is_a(function, types.FunctionType, types.MethodType):
        return False
    try:
        return passes_on(function, callee).name == "push"
    except NotPassedOn:
        return False


def _refusal(name: str, callee: Frame) -> NotPassedOn:
    return NotPassedOn(f"the attribute `{name}` is being looked up by C code that calls {callee.code.co_qualname}()")
