"""Instances of the program's own classes: by attribute dict, slots and the content of a builtin base.

Whatever such a class defines for pickle or for attribute access is not asked: `__getstate__` lies, `__new__` and
`__setattr__` have effects. New objects come from the builtin base's own `__new__`.
"""

from __future__ import annotations

import copyreg
import enum
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode import library, nested_pickles
from forkpoint.encode.containers import refill_dict, refill_set
from forkpoint.encode.reducers import FILL, FILL_FROZEN, Context, OwnReducer

# How the value of an immutable base is read as that very base, without the program's methods.
_IMMUTABLE: Final[dict[type, Callable[[Any], Any]]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    str: str.__str__,
    bytes: bytes.__bytes__,
    tuple: lambda obj: tuple.__getitem__(obj, slice(None)),
}

_CONTENT_BASES: Final = (dict, list, set, frozenset, bytearray, deque, OrderedDict, defaultdict, Counter)

_BY_STATE_ANYWAY: Final = frozenset({object, enum.Enum, enum.Flag, *_CONTENT_BASES, *_IMMUTABLE})
"""Bases whose own pickle protocol says no more than attributes and content do, or would call the class."""

_PROTOCOL: Final = ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs_ex__", "__getnewargs__")


def new_instance(cls: type, base: Any, *arguments: Any) -> Any:
    """A fresh instance, from the `__new__` of its builtin base."""
    return base.__new__(cls, *arguments)


def fill_instance(obj: Any, state: dict[str, Any]) -> None:
    """Attributes, slots and content of an instance that has more than attributes."""
    attributes = state.get("attributes")
    if state.get("adopt"):
        _native.instance_adopt(obj, attributes)
    elif attributes:
        _native.instance_fill(obj, attributes)
    for cls, name, value in state.get("slots", ()):
        vars(cls)[name].__set__(obj, value)
    content = state.get("content")
    if content is not None:
        fill_content(obj, content)


def fill_content(obj: Any, content: Any) -> None:
    """What a builtin container base holds, through that base's own methods."""
    if isinstance(obj, dict):
        if isinstance(obj, defaultdict):
            vars(defaultdict)["default_factory"].__set__(obj, content["factory"])
        setter = OrderedDict.__setitem__ if isinstance(obj, OrderedDict) else dict.__setitem__
        try:
            for key, value in content["pairs"]:
                setter(obj, key, value)
        except Exception:
            if not content["again"]:
                raise
    elif isinstance(obj, list):
        list.extend(obj, content)
    elif isinstance(obj, set | frozenset):
        _native.set_fill(obj, *content)
    elif isinstance(obj, bytearray):
        bytearray.extend(obj, content)
    else:
        deque.__init__(obj, content["items"], content["maxlen"])


def _read_content(obj: Any, context: Context) -> Any:
    if isinstance(obj, dict):
        kind = OrderedDict if isinstance(obj, OrderedDict) else dict
        pairs = list(kind.items(obj))
        again = _native.keys_need_care(obj)
        if again:
            context.later(FILL, refill_dict, obj, pairs)
        factory = obj.default_factory if isinstance(obj, defaultdict) else None
        return {"pairs": pairs, "factory": factory, "again": again}
    if isinstance(obj, list):
        return list.copy(obj)
    if isinstance(obj, set | frozenset):
        state = _native.set_read(obj)
        if _native.keys_need_care(obj):
            context.later(FILL_FROZEN if isinstance(obj, frozenset) else FILL, refill_set, obj, state)
        return state
    if isinstance(obj, bytearray):
        return bytes(memoryview(obj))
    return {"items": list(deque.__iter__(obj)), "maxlen": obj.maxlen}


def member_slots(cls: type) -> list[tuple[type, str, Any]]:
    """(class, name, descriptor) of every slot that Python classes of the MRO add."""
    return [
        (base, name, value)
        for base in cls.__mro__
        if _native.is_python_class(base)
        for name, value in vars(base).items()
        if isinstance(value, types.MemberDescriptorType) and value.__objclass__ is base
    ]


def read_slots(obj: Any, slots: list[tuple[type, str, Any]]) -> list[tuple[type, str, Any]]:
    """(class, name, value) of the slots that are set."""
    found = []
    for cls, name, descriptor in slots:
        try:
            found.append((cls, name, descriptor.__get__(obj)))
        except AttributeError:
            continue
    return found


def builtin_base(cls: type) -> type:
    """The nearest base that is written in C and makes objects itself."""
    for base in cls.__mro__:
        maker = vars(base).get("__new__")
        if isinstance(maker, types.BuiltinFunctionType) and maker.__self__ is base:
            return base
    return object


def _library_protocol(cls: type, context: Context) -> type | None:
    """The library class in the MRO whose pickle protocol must be kept, if any."""
    for base in cls.__mro__:
        if not context.is_program_class(base) and nested_pickles.makes_them(base):
            return None  # a library's, which answers for the classes above it too
        if context.is_taken_apart(base):
            continue
        if base not in _BY_STATE_ANYWAY and any(name in vars(base) for name in _PROTOCOL):
            return base
    return None


def plan(cls: type, context: Context) -> OwnReducer:
    """How instances of this class are saved, decided once per class."""
    keeper = _library_protocol(cls, context)
    if keeper is not None:
        maker = next(base for base in cls.__mro__ if not context.is_program_class(base))
        return library.keep_protocol(keeper, maker)
    base = builtin_base(cls)
    if base not in _BY_STATE_ANYWAY and not _can_make(cls, base):
        return library.reduce_by_protocol
    return _plan_by_state(cls, base)


def _can_make(cls: type, base: Any) -> bool:
    """Does the builtin base make an empty instance of this class? Tried once, on a throw-away object."""
    try:
        base.__new__(cls)
    except Exception:
        return False
    return True


def _plan_by_state(cls: type, base: Any) -> OwnReducer:
    slots = member_slots(cls)
    value_of = _IMMUTABLE.get(base)
    has_content = issubclass(cls, _CONTENT_BASES)
    overridden = any(
        name in vars(other)
        for other in cls.__mro__
        if _native.is_python_class(other)
        for name in ("__new__", "__class__", "__getattribute__")
    )
    creation: tuple[Any, tuple[Any, ...]]
    if base is object and not overridden:
        creation = copyreg.__newobj__, (cls,)  # type: ignore[attr-defined]
    else:
        creation = new_instance, (cls, base)
    read_dict = _native.instance_dict
    fill_dict = _native.instance_fill
    adopt = _native.instance_adopt

    def reduce_plain(obj: Any, context: Context) -> Any:
        attributes, shared = read_dict(obj)
        if attributes is not None and shared:
            library.keep_shared(attributes, context)
            return (*creation, attributes, None, None, adopt)
        return (*creation, attributes, None, None, fill_dict) if attributes else creation

    def reduce_full(obj: Any, context: Context) -> Any:
        attributes, shared = read_dict(obj)
        state: dict[str, Any] = {}
        if attributes or shared:
            state["attributes"] = attributes
        if attributes is not None and shared:
            library.keep_shared(attributes, context)
            state["adopt"] = True
        values = read_slots(obj, slots)
        if values:
            state["slots"] = values
        if has_content:
            state["content"] = _read_content(obj, context)
        made = creation if value_of is None else (new_instance, (cls, base, value_of(obj)))
        return (*made, state, None, None, fill_instance) if state else made

    return reduce_full if slots or has_content or value_of is not None else reduce_plain
