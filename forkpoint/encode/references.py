"""Weak references and what is built on them, with their targets and callbacks."""

from __future__ import annotations

import weakref
from typing import Any

from forkpoint import _native
from forkpoint.encode import library
from forkpoint.encode.instances import member_slots, read_slots
from forkpoint.encode.reducers import FINISH, Context, reduces


class _Gone:
    """What a dead reference pointed at."""


def make_reference(kind: Any, target: Any, callback: Any, key: tuple[Any, ...]) -> Any:
    """A weak reference; `target` None makes one that is dead already, whose callback is not called again."""
    if target is None:
        target, callback = _Gone(), None
    if kind is weakref.ref and callback is None:
        return weakref.ref(target)
    if key:
        return kind(target, callback, *key)
    return kind.__new__(kind, target, callback)


def fill_reference(reference: Any, state: list[tuple[type, str, Any]]) -> None:
    """The slots of a subclass."""
    for cls, name, value in state:
        vars(cls)[name].__set__(reference, value)


@reduces(weakref.ref, subclasses=True)
def _reduce_reference(obj: Any, context: Context) -> Any:
    target, callback = _native.weakref_read(obj)
    kind = type(obj)
    key = (obj.key,) if kind is weakref.KeyedRef else ()
    if kind is weakref.ref or key:
        return make_reference, (kind, target, callback, key)
    attributes, _ = _native.instance_dict(obj)
    slots = read_slots(obj, member_slots(kind))
    if attributes:
        return make_reference, (kind, target, callback, ()), (attributes, slots), None, None, fill_full_reference
    return make_reference, (kind, target, callback, ()), slots, None, None, fill_reference


def fill_full_reference(reference: Any, state: tuple[dict[str, Any], list[tuple[type, str, Any]]]) -> None:
    """Attributes and slots of a subclass."""
    _native.instance_fill(reference, state[0])
    fill_reference(reference, state[1])


def make_proxy(target: Any, callback: Any) -> Any:
    """A weak proxy."""
    return weakref.proxy(_Gone() if target is None else target, callback)


@reduces(weakref.ProxyType, weakref.CallableProxyType)
def _reduce_proxy(obj: Any, context: Context) -> Any:
    return make_proxy, _native.weakref_read(obj)


@reduces(weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary)
def _reduce_weak_container(obj: Any, context: Context) -> Any:
    """By attributes: the references in it keep their callbacks, and the table its order."""
    return library.by_attributes(obj)


def finalize_again(finalizer: Any, target: Any, function: Any, arguments: Any, keywords: Any, atexit: bool) -> None:
    """Register a finalizer that was alive."""
    weakref.finalize.__init__(finalizer, target, function, *arguments, **(keywords or {}))
    finalizer.atexit = atexit


@reduces(weakref.finalize)
def _reduce_finalize(obj: Any, context: Context) -> Any:
    state = obj.peek()
    if state is not None:
        context.later(FINISH, finalize_again, obj, *state, obj.atexit)
    return library.new_by_object, (weakref.finalize,)
