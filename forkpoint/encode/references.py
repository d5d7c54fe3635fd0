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

    __slots__ = ("__weakref__", "hashed")
    hashed: int

    def __hash__(self) -> int:
        return self.hashed


def make_reference(kind: Any, target: Any, callback: Any, hashed: int | None = None) -> Any:
    """A weak reference; `target` None makes one that is dead already, whose callback is not called again. `hashed`: the
    hash that it got while its target was there, as a key of a dict, say.
    """
    if target is None:
        gone = _Gone()
        made = weakref.ref.__new__(kind, gone)
        if hashed is not None:
            gone.hashed = hashed
            weakref.ref.__hash__(made)
        return made
    made = weakref.ref.__new__(kind, target, callback)
    target_kind: Any = type(target)
    if target_kind.__hash__ is object.__hash__:  # a callback may ask for it when the target is gone (SQLAlchemy's does)
        weakref.ref.__hash__(made)
    return made


def fill_reference(reference: Any, state: tuple[dict[str, Any], list[tuple[type, str, Any]]]) -> None:
    """Attributes and slots of a subclass."""
    attributes, slots = state
    if attributes:
        _native.instance_fill(reference, attributes)
    for cls, name, value in slots:
        vars(cls)[name].__set__(reference, value)


@reduces(weakref.ref, subclasses=True)
def _reduce_reference(obj: Any, context: Context) -> Any:
    kind = type(obj)
    target, callback = _native.weakref_read(obj)
    made = (make_reference, (kind, target, callback, *_hash_of(obj, target)))
    if kind is weakref.ref:
        return made
    state = (_native.instance_dict(obj)[0] or {}, read_slots(obj, member_slots(kind)))
    return (*made, state, None, None, fill_reference)


def _hash_of(reference: Any, target: Any) -> tuple[int, ...]:
    """That of a dead reference, where it has one."""
    if target is None:
        try:
            return (weakref.ref.__hash__(reference),)
        except TypeError:
            pass
    return ()


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


def finalize_again(finalizer: Any, call: tuple[Any, ...], atexit: bool, index: int) -> None:
    """Register a finalizer that was alive; `index` says when in turn it comes at exit."""
    target, function, arguments, keywords = call
    weakref.finalize.__init__(finalizer, target, function, *arguments, **(keywords or {}))
    finalizer.atexit = atexit
    weakref.finalize._registry[finalizer].index = index  # type: ignore[attr-defined]


@reduces(weakref.finalize)
def _reduce_finalize(obj: Any, context: Context) -> Any:
    state = obj.peek()
    if state is not None:
        index = weakref.finalize._registry[obj].index  # type: ignore[attr-defined]
        context.later(FINISH, finalize_again, obj, state, obj.atexit, index)
    return library.new_by_object, (weakref.finalize,)
