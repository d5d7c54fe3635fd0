"""Exceptions with what hangs on them: arguments, cause, context, notes and traceback, without calling their class."""

from __future__ import annotations

import sys
import types
from types import CodeType, FrameType, TracebackType
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode.instances import builtin_base, member_slots, read_slots
from forkpoint.encode.reducers import Context, reduces
from forkpoint.errors import Refused

_COMMON: Final = frozenset({"__cause__", "__context__", "__suppress_context__", "__traceback__", "args", "__dict__"})


def _fields(cls: type) -> list[tuple[str, Any]]:
    """(name, descriptor) of the C fields of builtin exception classes beyond those all have: `errno`, `value`..."""
    return [
        (name, descriptor)
        for base in cls.__mro__
        if base not in (BaseException, object) and not _native.is_python_class(base)
        for name, descriptor in vars(base).items()
        if isinstance(descriptor, types.MemberDescriptorType | types.GetSetDescriptorType)
        and name not in _COMMON
        and not name.startswith("__")
    ]


def make_exception(cls: type, base: type, arguments: tuple[Any, ...]) -> Any:
    """A fresh exception from the builtin base's `__new__`."""
    return base.__new__(cls, *arguments)


def fill_exception(error: BaseException, state: dict[str, Any]) -> None:
    """All that an exception carries."""
    error.args = state.get("args", ())
    fields = dict(_fields(type(error)))
    for name, value in state.get("fields", ()):
        try:
            fields[name].__set__(error, value)
        except (AttributeError, TypeError):
            continue  # read-only: made by __new__
    if "attributes" in state:
        put = _native.instance_adopt if state.get("adopt") else _native.instance_fill
        put(error, state["attributes"])
    for cls, name, value in state.get("slots", ()):
        vars(cls)[name].__set__(error, value)
    set_base = vars(BaseException)
    for name in ("__cause__", "__context__", "__traceback__"):
        if state.get(name) is not None:
            set_base[name].__set__(error, state[name])
    set_base["__suppress_context__"].__set__(error, state.get("__suppress_context__", False))


@reduces(BaseException, subclasses=True)
def _reduce_exception(obj: BaseException, context: Context) -> Any:
    cls = type(obj)
    base = builtin_base(cls)
    state: dict[str, Any] = {"args": BaseException.args.__get__(obj)}  # type: ignore[attr-defined]
    fields = []
    for name, descriptor in _fields(cls):
        try:
            value = descriptor.__get__(obj)
        except AttributeError:
            continue
        if value is not None:
            fields.append((name, value))
    if fields:
        state["fields"] = fields
    attributes, shared = _native.instance_dict(obj)
    if attributes:
        state["attributes"] = attributes
    if shared:
        state |= {"attributes": attributes, "adopt": True}
    slots = read_slots(obj, member_slots(cls))
    if slots:
        state["slots"] = slots
    for name in ("__cause__", "__context__", "__traceback__", "__suppress_context__"):
        value = vars(BaseException)[name].__get__(obj)
        if value:
            state[name] = value
    arguments = (obj.message, obj.exceptions) if isinstance(obj, BaseExceptionGroup) else ()
    return make_exception, (cls, base, arguments), state, None, None, fill_exception


def make_traceback(code: CodeType, namespace: dict[str, Any], instruction: int, line: int) -> TracebackType:
    """One entry of a traceback; the next one is set later. Its frame has what printing asks for: its locals are gone
    with the process.
    """
    return TracebackType(None, _native.frame_new(code, namespace), instruction, line)


def link_traceback(entry: TracebackType, following: TracebackType) -> None:
    """The entry nearer to where the exception was raised."""
    entry.tb_next = following


@reduces(TracebackType)
def _reduce_traceback(obj: TracebackType, context: Context) -> Any:
    frame = obj.tb_frame
    made = (make_traceback, (frame.f_code, frame.f_globals, obj.tb_lasti, obj.tb_lineno))
    return made if obj.tb_next is None else (*made, obj.tb_next, None, None, link_traceback)


@reduces(FrameType)
def _reduce_frame(obj: FrameType, context: Context) -> Any:
    return context.tombstone(obj, "a frame that goes on does so as another object; of one that is over, the locals go")


if sys.version_info >= (3, 13):  # before, f_locals is a dict: a copy of what they were

    def _own_locals() -> Any:
        return sys._getframe().f_locals

    @reduces(type(_own_locals()))
    def _reduce_locals(obj: Any, context: Context) -> Any:
        """PEP 667: it shows and sets the locals of a frame that goes on, which at restore is another one."""
        raise Refused("the f_locals of a frame are held, which change with it")
