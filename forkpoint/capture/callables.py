"""Which object a call instruction calls, and whether its C code hands the callee's result on untouched.

The instruction's operands are only ever compared by address: while it drops them they may dangle. An object is
believed to be the callable when it is alive for another reason (a name, the callee's `self`) and has that address.
"""

from __future__ import annotations

import builtins
import functools
import gc
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from forkpoint import _native
from forkpoint.capture import importing
from forkpoint.capture.bytecode import VERSION, Instruction
from forkpoint.capture.expressions import UNKNOWN, Method, class_name, in_mro, is_a, is_in, loaded, mro, spelled
from forkpoint.capture.frames import Frame

_GENERATORS: Final = (types.GeneratorType, types.CoroutineType)
_TYPE_CALL: Final = type.__dict__["__call__"]
_DRIVERS: Final = {"send": "next", "__next__": "next", "throw": "next", "close": "close"}
_KNOWN: Final = {
    id(known): known
    for known in (
        builtins.exec,
        builtins.eval,
        builtins.next,
        builtins.__import__,
        *(kind.__dict__[name] for kind in _GENERATORS for name in _DRIVERS if name in kind.__dict__),
    )
}
_UNBOUND: Final = (types.MethodDescriptorType, types.WrapperDescriptorType)
_EXIT_ARGUMENTS: Final = 3


class NotPassedOn(Exception):
    """The callable's C code still has work to do when the callee returns; the message says which."""


class Call(NamedTuple):
    """Where a call instruction's operands lie on the value stack: depths; `arguments` is -1 for f(*args)."""

    callable: int
    first_argument: int
    arguments: int


class Outcome(NamedTuple):
    """What the callee's result means (see native/resume.c), and the object that goes with it."""

    name: str
    object: Any = None


def operands(frame: Frame, call: Instruction) -> Call:
    """Where the operands of CALL, CALL_KW and CALL_FUNCTION_EX are."""
    top = beginning(frame, call).depth
    if call.name == "CALL_FUNCTION_EX":
        below = 1 if VERSION < (3, 13) else 2
        return Call(top - 1 - (call.arg & 1) - below, top - 1 - (call.arg & 1), -1)
    if VERSION >= (3, 13):
        names = 1 if call.name == "CALL_KW" else 0
        start = top - names - call.arg
        has_self = frame.pointer(start - 1) != 0
        return Call(start - 2, start - has_self, call.arg + has_self)
    start = top - call.arg
    if frame.pointer(start - 2) == 0:
        return Call(start - 1, start, call.arg)
    return Call(start - 2, start - 1, call.arg + 1)


def beginning(frame: Frame, call: Instruction) -> Instruction:
    """The instruction that finds all operands on the stack; on 3.11 PRECALL already counts the arguments off."""
    if VERSION == (3, 11) and call.name == "CALL":
        return frame.map.previous(call) or call
    return call


def outcome(frame: Frame, call: Instruction, callee: Frame) -> Outcome:
    """What the callee's result means for the calling frame. Raises NotPassedOn."""
    where = operands(frame, call)
    if _leaves_with(frame, call):
        return _exit_outcome(frame, where, callee)
    found = _called(frame, call, where, callee)
    if found is UNKNOWN:
        raise NotPassedOn(_unknown(spelled(frame, beginning(frame, call), where.callable), callee))
    if importing.is_librarys(found, frame, callee):
        raise NotPassedOn("a library is being imported")
    if importing.is_within(found, frame, callee):
        return Outcome("push")
    if found is builtins.next:
        return _next_outcome(frame, call, where, callee)
    if type(found) in _UNBOUND:
        found = Method(found, callee.generator)
    reached = passes_on(found, callee)
    if reached.name in ("next", "close"):
        _require_other_owner(frame, where, callee)
    return reached


def _unknown(name: str, callee: Frame) -> str:
    running = f"{callee.code.co_qualname}()"
    if name == "class":
        is_body = callee.kind == "code"
        return f"the body of class {callee.code.co_qualname} is running" if is_body else f"a class is calling {running}"
    if not name:
        return f"C code, or a callable that cannot be told from here, is in the middle of calling {running}"
    return f"`{name}` is not Python code, or cannot be told from here, and is in the middle of calling {running}"


def _leaves_with(frame: Frame, call: Instruction) -> bool:
    """Whether this is the call of `__exit__` at the regular end of a `with` block."""
    if call.name != "CALL" or call.arg != _EXIT_ARGUMENTS - 1:
        return False
    before = frame.map.previous(call)
    if before is not None and before.name == "PRECALL":
        before = frame.map.previous(before)
    for _ in range(_EXIT_ARGUMENTS):
        if before is None or before.name != "LOAD_CONST" or frame.code.co_consts[before.arg] is not None:
            return False
        before = frame.map.previous(before)
    return True


def _exit_outcome(frame: Frame, where: Call, callee: Frame) -> Outcome:
    # Objects/classobject.c method_vectorcall puts `self` into the slot below the arguments for as long as it calls.
    subject = callee.subject
    if frame.pointer(where.callable) == id(subject) and in_mro(type(subject), "__exit__") is callee.function:
        return Outcome("push")
    if frame.pointer(where.callable) == id(callee.function):
        return Outcome("push")
    raise NotPassedOn(f"the `with` block is being left through C code that calls {callee.code.co_qualname}()")


def _called(frame: Frame, call: Instruction, where: Call, callee: Frame) -> Any:
    address = frame.pointer(where.callable)
    if callee.function is not None and address == id(callee.function):
        return callee.function
    expected = loaded(frame, beginning(frame, call), where.callable)
    subject = callee.subject
    if type(expected) is Method:
        if address == id(expected.function):
            return expected
        if call.name == "CALL_FUNCTION_EX" and _is_plain(expected, callee):
            return expected
    elif expected is not UNKNOWN:
        if address == id(expected) or _lends_its_slot(expected, address):
            return expected
    if subject is not _native.NULL:
        for kind in mro(type(subject)):
            if address == id(kind):
                return kind
        if address == id(subject) and _is_called_directly(frame, where, callee):
            return subject
    return _KNOWN.get(address, UNKNOWN) if address in _KNOWN else _alive(frame, call, where, callee)


def _alive(frame: Frame, call: Instruction, where: Call, callee: Frame) -> Any:
    """The callable that nothing but the operand holds, such as what `function.__get__(self)` made; or UNKNOWN.

    It is dropped before the arguments are. As long as those are there, and the callee has them, it is the callable,
    and not another object that has got its place since.
    """
    if call.name == "CALL_FUNCTION_EX":
        if not _has_unpacked(frame, call, where, callee):
            return UNKNOWN
    elif where.arguments and not _is_called_directly(frame, where, callee):
        return UNKNOWN
    found = _native.alive(frame.pointer(where.callable))
    return UNKNOWN if found is _native.NULL else found


def _has_unpacked(frame: Frame, call: Instruction, where: Call, callee: Frame) -> bool:
    """Whether the arguments of f(*args, **kwargs) are still there, and `args` are the callee's, after its `self`."""
    address = frame.pointer(where.first_argument)
    named = loaded(frame, call, where.first_argument)  # a collection untracks a tuple of numbers: then it needs a name
    given = next((known for known in ((), named) if address == id(known)), UNKNOWN)
    if given is UNKNOWN:
        given = _native.alive(address)
    if type(given) is not tuple:
        return False
    if not given:
        return not call.arg & 1 or type(_native.alive(frame.pointer(where.first_argument + 1))) is dict
    had = callee.arguments()
    return any(_same(had[first : first + len(given)], given) for first in (0, 1))


def _same(some: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def _is_plain(expected: Method, callee: Frame) -> bool:
    """Whether f(*args) of a bound method, which is nowhere but in the operand, obviously runs the callee."""
    function, instance = expected
    subject = callee.subject
    if function is _TYPE_CALL and is_a(instance, type):
        return is_in(instance, mro(type(subject))) and in_mro(type(subject), "__init__") is callee.function
    return type(function) is types.FunctionType and function is callee.function and instance is subject


def _lends_its_slot(expected: Any, address: int) -> bool:
    # Modules/_functoolsmodule.c partial_vectorcall: one argument goes where the callable was, while it calls.
    return (
        type(expected) is functools.partial
        and len(expected.args) == 1
        and not expected.keywords
        and address == id(expected.args[0])
    )


def _is_called_directly(frame: Frame, where: Call, callee: Frame) -> bool:
    """Whether the callee got the instruction's own arguments, so that no C function stands between."""
    if where.arguments <= 0:
        return True
    arguments = callee.arguments()
    if len(arguments) > 1:
        return frame.pointer(where.first_argument) == id(arguments[1])
    return False


def _next_outcome(frame: Frame, call: Instruction, where: Call, callee: Frame) -> Outcome:
    default: Any = UNKNOWN
    if where.arguments not in (1, 2):
        raise NotPassedOn("next() was called in a way that cannot be followed")
    if where.arguments == 2:
        default = loaded(frame, beginning(frame, call), where.first_argument + 1)
        if type(default) is Method or frame.pointer(where.first_argument + 1) != id(default):
            raise NotPassedOn("next() has a default that cannot be told from here")
    iterator = frame.pointer(where.first_argument)
    if callee.generator is not None and iterator == id(callee.generator):
        _require_other_owner(frame, where, callee)
        return Outcome("next") if default is UNKNOWN else Outcome("next-default", default)
    subject = callee.subject
    if callee.generator is None and iterator == id(subject):
        if in_mro(type(subject), "__next__") is callee.function:
            return Outcome("push") if default is UNKNOWN else Outcome("call-default", default)
    raise NotPassedOn(f"next() of a C iterator is in the middle of calling {callee.code.co_qualname}()")


def _require_other_owner(frame: Frame, where: Call, callee: Frame) -> None:
    # Owned by nothing but the operand it looks just like one that is being closed because it was dropped.
    if callee.generator_owners < 2:
        raise NotPassedOn(f"the generator {callee.code.co_qualname}() has no name, it may be about to be dropped")
    if where.arguments >= 1 and frame.pointer(where.first_argument) != id(callee.generator):
        raise NotPassedOn(f"C code is in the middle of running the generator {callee.code.co_qualname}()")


def passes_on(called: Any, callee: Frame) -> Outcome:
    """What the callee's result means to whoever called `called`. Raises NotPassedOn."""
    for _ in range(20):
        if type(called) is Method:
            reached, called = _method(called, callee), called.function
            if reached is not None:
                return reached
        kind = type(called)
        if kind is types.FunctionType:
            if called.__code__ is callee.code and callee.generator is None:
                return Outcome("push")
            raise NotPassedOn(f"{called.__qualname__}() was called, but {callee.code.co_qualname}() is what runs")
        if kind is types.MethodType:
            called = Method(called.__func__, called.__self__)
        elif kind is functools.partial:
            called = called.func
        elif kind is staticmethod:
            called = called.__func__
        elif is_a(called, type):
            return _class_call(called, callee)
        elif kind in (types.BuiltinMethodType, types.MethodWrapperType):
            return _builtin(called, callee)
        else:
            called = _python_call(called)
    raise NotPassedOn("the callable is wrapped too deeply")


def _method(method: Method, callee: Frame) -> Outcome | None:
    function, instance = method
    if function is _TYPE_CALL and is_a(instance, type):
        return _construct(instance, callee)
    if type(function) in _UNBOUND:
        if instance is callee.generator is not None and function.__name__ in _DRIVERS:
            return Outcome(_DRIVERS[function.__name__])
        raise NotPassedOn(f"{function.__qualname__}() is in the middle of calling {callee.code.co_qualname}()")
    return None


def _builtin(called: Any, callee: Frame) -> Outcome:
    if called is builtins.exec and callee.kind == "code":
        return Outcome("none")
    if called is builtins.eval and callee.kind == "code":
        return Outcome("push")
    owner = called.__self__
    if owner is callee.generator is not None and called.__name__ in _DRIVERS:
        return Outcome(_DRIVERS[called.__name__])
    if called.__name__ == "__call__" and type(called) is types.MethodWrapperType and is_a(owner, type):
        return _construct(owner, callee)
    if called is builtins.__build_class__:
        raise NotPassedOn(f"the body of class {callee.code.co_qualname} is running")
    raise NotPassedOn(f"{called.__qualname__}() is not Python code and is calling {callee.code.co_qualname}()")


def _python_call(called: Any) -> Any:
    kind = type(called)
    if is_a(called, functools._lru_cache_wrapper):
        name = getattr(called, "__qualname__", "a function")
        raise NotPassedOn(f"{name}() is cached by functools.lru_cache, which stores the result afterwards")
    found = in_mro(kind, "__call__")
    if type(found) is types.FunctionType:
        return found
    raise NotPassedOn(f"a {class_name(kind)} object is not Python code and is in the middle of a call")


def _class_call(called: type, callee: Frame) -> Outcome:
    meta = in_mro(type(called), "__call__")
    if meta is _TYPE_CALL:
        return _construct(called, callee)
    if type(meta) is types.FunctionType and meta is callee.function and callee.subject is called:
        return Outcome("push")
    raise NotPassedOn(f"{class_name(called)} is being created by its metaclass's C code")


def _construct(called: type, callee: Frame) -> Outcome:
    """type.__call__: `__new__`, then `__init__`; the result is the object."""
    subject = callee.subject
    if subject is not _native.NULL and is_in(called, mro(type(subject))):
        if in_mro(type(subject), "__init__") is callee.function is not None:
            return Outcome("object", subject)
    name = class_name(called)
    if type(in_mro(called, "__init__")) is types.FunctionType:
        raise NotPassedOn(f"{name}() is being constructed and {callee.code.co_qualname}() is not its plain __init__")
    raise NotPassedOn(f"{name}() is not Python code and is calling {callee.code.co_qualname}()")


# --------------------------------------------------------------------------------------- between instructions


def interrupts(callee: Frame) -> str | None:
    """Why this callee may have been started by the interpreter itself, at any instruction; None if it was called."""
    function, subject = callee.function, callee.subject
    if callee.code.co_name == "__del__":
        return f"{callee.code.co_qualname}() is running"
    if subject is not _native.NULL:
        finalizer = in_mro(type(subject), "__del__")
        if finalizer is not UNKNOWN and finalizer is function:
            return f"{callee.code.co_qualname}() is running"
    for argument in callee.arguments():
        if is_a(argument, weakref.ref) and weakref.ref.__call__(argument) is None:
            return f"the weak reference callback {callee.code.co_qualname}() is running"
    if any(_runs(handler, callee) for handler in _handlers()):
        return f"the signal handler {callee.code.co_qualname}() is running"
    if any(_runs(callback, callee) for callback in gc.callbacks):
        return f"the gc callback {callee.code.co_qualname}() is running"
    return None


def _handlers() -> list[Callable[..., Any]]:
    signal = sys.modules.get("_signal")
    if signal is None or "signal" not in sys.modules:
        return []
    found = (signal.getsignal(number) for number in range(1, signal.NSIG))
    return [handler for handler in found if callable(handler) and handler is not signal.default_int_handler]


def _runs(registered: Any, callee: Frame) -> bool:
    try:
        passes_on(registered, callee)
    except NotPassedOn:
        return False
    return True
