"""What an expression in a frame evaluates to, found by looking, never by running any of the program's code."""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from forkpoint import _native
from forkpoint.capture.bytecode import VERSION, Instruction
from forkpoint.capture.frames import Frame

UNKNOWN: Final = object()
"""The answer when looking is not enough."""

mro: Final[Callable[[Any], tuple[type, ...]]] = type.__dict__["__mro__"].__get__
"""A class's MRO, whatever its metaclass says."""
_namespace = type.__dict__["__dict__"].__get__
_module_dict: Final[Callable[[Any], dict[str, Any]]] = vars(types.ModuleType)["__dict__"].__get__
_UNBOUND: Final = (types.MethodDescriptorType, types.WrapperDescriptorType)


def is_a(value: Any, *kinds: type) -> bool:
    """isinstance() by the real type: isinstance() itself asks `value.__class__`, which may run the program's code."""
    return issubclass(type(value), kinds)


def is_in(value: Any, values: Iterable[Any]) -> bool:
    """Membership by identity: `in` asks `__eq__`, which may run the program's code."""
    return any(value is each for each in values)


def class_name(kind: type) -> str:
    """A class's qualified name, whatever its metaclass says."""
    found: str = type.__dict__["__qualname__"].__get__(kind)
    return found


class Method(NamedTuple):
    """`function` as a method of `instance`; the bound method object itself may be gone, or never have been."""

    function: Any
    instance: Any


class Super(NamedTuple):
    """What `super()` gives in a method: attributes are looked up in `kind`'s MRO after `owner`."""

    owner: type
    kind: type
    instance: Any


def in_mro(kind: type, name: str, after: type | None = None) -> Any:
    """The attribute of a class as its MRO has it, no descriptor called; UNKNOWN if there is none."""
    bases = mro(kind)
    if after is not None:
        position = next((i for i, base in enumerate(bases, 1) if base is after), len(bases))
        bases = bases[position:]
    for base in bases:
        namespace = _namespace(base)
        if name in namespace:
            return namespace[name]
    return UNKNOWN


def instance_dict(owner: Any) -> Any:
    """The instance's own dict, or None."""
    descriptor = in_mro(type(owner), "__dict__")
    if type(descriptor) is not types.GetSetDescriptorType:
        return None
    found = descriptor.__get__(owner)
    return found if type(found) is dict else None


def attribute(owner: Any, name: str) -> Any:
    """`owner.name`: the object, a Method, or UNKNOWN where a descriptor or a hook would have to run."""
    if type(owner) is Super:
        return _bind(in_mro(owner.kind, name, owner.owner), owner.instance)
    kind = type(owner)
    if kind is types.ModuleType or issubclass(kind, types.ModuleType):
        return _module_dict(owner).get(name, UNKNOWN)
    if issubclass(kind, type):
        return _class_attribute(owner, name)
    if in_mro(kind, "__getattribute__") is not object.__dict__["__getattribute__"]:
        return UNKNOWN
    found = in_mro(kind, name)
    if type(found) is types.MemberDescriptorType:
        try:
            return found.__get__(owner)
        except AttributeError:
            return UNKNOWN
    if found is not UNKNOWN and in_mro(type(found), "__set__") is not UNKNOWN:
        return UNKNOWN
    own = instance_dict(owner)
    if own is not None and name in own:
        return own[name]
    return _bind(found, owner)


def _class_attribute(owner: type, name: str) -> Any:
    meta = in_mro(type(owner), name)
    if meta is not UNKNOWN and in_mro(type(meta), "__set__") is not UNKNOWN:
        return UNKNOWN
    found = in_mro(owner, name)
    if found is UNKNOWN:
        return _bind(meta, owner)
    if is_a(found, staticmethod):
        return found.__func__
    if is_a(found, classmethod):
        return Method(found.__func__, owner)
    if is_a(found, types.FunctionType, *_UNBOUND) or in_mro(type(found), "__get__") is UNKNOWN:
        return found
    return UNKNOWN


def _bind(found: Any, instance: Any) -> Any:
    if is_a(found, types.FunctionType, *_UNBOUND):
        return Method(found, instance)
    if is_a(found, staticmethod):
        return found.__func__
    if is_a(found, classmethod):
        return Method(found.__func__, instance if is_a(instance, type) else type(instance))
    if found is UNKNOWN or in_mro(type(found), "__get__") is not UNKNOWN:
        return UNKNOWN
    return found


def loaded(frame: Frame, user: Instruction, slot: int) -> Any:
    """The value at stack depth `slot` that `user` works on: the object, a Method, or UNKNOWN.

    It is what the loading expression evaluates to *now*: a variable may have been rebound since.
    """
    found = frame.map.loader(user, slot)
    if found is None:
        return UNKNOWN
    evaluate = _LOADERS.get(found.name)
    value = UNKNOWN if evaluate is None else evaluate(frame, found, slot)
    return UNKNOWN if value is _native.NULL else value


def _fast(frame: Frame, found: Instruction, slot: int) -> Any:
    return frame.local(found.arg)


def _two_fast(frame: Frame, found: Instruction, slot: int) -> Any:
    return frame.local(found.arg >> 4 if slot == found.depth else found.arg & 15)


def _const(frame: Frame, found: Instruction, slot: int) -> Any:
    return frame.code.co_consts[found.arg]


def _global(frame: Frame, found: Instruction, slot: int) -> Any:
    value_slot = found.depth + 1 if found.arg & 1 and VERSION < (3, 13) else found.depth
    return _lookup(frame.code.co_names[found.arg >> 1], frame.namespace) if slot == value_slot else UNKNOWN


def _name(frame: Frame, found: Instruction, slot: int) -> Any:
    name = frame.code.co_names[found.arg]
    if type(frame.local_namespace) is dict and name in frame.local_namespace:
        return frame.local_namespace[name]
    return _lookup(name, frame.namespace)


def _lookup(name: str, namespace: Any) -> Any:
    if type(namespace) is not dict:
        return UNKNOWN
    return namespace[name] if name in namespace else vars(builtins).get(name, UNKNOWN)


def _attr(frame: Frame, found: Instruction, slot: int) -> Any:
    index = found.arg if VERSION == (3, 11) else found.arg >> 1
    owner = loaded(frame, found, found.depth - 1)
    if owner is UNKNOWN or type(owner) is Method:
        return UNKNOWN
    return attribute(owner, frame.code.co_names[index])


def _super_attr(frame: Frame, found: Instruction, slot: int) -> Any:
    owner, instance = loaded(frame, found, found.depth - 2), loaded(frame, found, found.depth - 1)
    return attribute(_super(owner, instance), frame.code.co_names[found.arg >> 2])


def _super(owner: Any, instance: Any) -> Any:
    if not is_a(owner, type):
        return UNKNOWN
    kind = instance if is_a(instance, type) and is_in(owner, mro(instance)) else type(instance)
    return Super(owner, kind, instance)


def _super_call(frame: Frame, found: Instruction, slot: int) -> Any:
    # 3.11 has no instruction of its own for `super().name` and `super(owner, instance).name`.
    precall = frame.map.previous(found)
    if precall is None or loaded(frame, precall, precall.depth - 1 - found.arg) is not super:
        return UNKNOWN
    if found.arg == 2:
        return _super(loaded(frame, precall, precall.depth - 2), loaded(frame, precall, precall.depth - 1))
    if found.arg != 0:
        return UNKNOWN
    names = (*frame.code.co_varnames, *(c for c in frame.code.co_cellvars if c not in frame.code.co_varnames))
    for index, name in enumerate(frame.code.co_freevars, len(names)):
        if name == "__class__":
            return _super(frame.local(index), frame.subject)
    return UNKNOWN


def _subscript(frame: Frame, found: Instruction, slot: int) -> Any:
    container, key = loaded(frame, found, found.depth - 2), loaded(frame, found, found.depth - 1)
    if type(key) not in (str, int) or type(container) not in (dict, list, tuple):
        return UNKNOWN
    try:
        return container[key]
    except LookupError:
        return UNKNOWN


_LOADERS: Final = {
    "LOAD_FAST": _fast,
    "LOAD_FAST_CHECK": _fast,
    "LOAD_DEREF": _fast,
    "LOAD_FAST_LOAD_FAST": _two_fast,
    "LOAD_CONST": _const,
    "LOAD_GLOBAL": _global,
    "LOAD_NAME": _name,
    "LOAD_ATTR": _attr,
    "LOAD_METHOD": _attr,
    "LOAD_SUPER_ATTR": _super_attr,
    "CALL": _super_call,
    "BINARY_SUBSCR": _subscript,
}


def spelled(frame: Frame, user: Instruction, slot: int) -> str:
    """The expression that loaded a stack slot, roughly as the program writes it; "" when that cannot be told."""
    found = frame.map.loader(user, slot)
    if found is None:
        return ""
    names, name = frame.code.co_names, found.name
    if name in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF"):
        local = frame.code.co_varnames
        return local[found.arg] if found.arg < len(local) else ""
    if name == "LOAD_GLOBAL":
        return names[found.arg >> 1]
    if name == "LOAD_NAME":
        return names[found.arg]
    if name in ("LOAD_ATTR", "LOAD_METHOD"):
        owner = spelled(frame, found, found.depth - 1)
        attr = names[found.arg if VERSION == (3, 11) else found.arg >> 1]
        return f"{owner}.{attr}" if owner else attr
    if name == "LOAD_SUPER_ATTR":
        return f"super().{names[found.arg >> 2]}"
    if name == "LOAD_BUILD_CLASS":
        return "class"
    return ""
