"""Containers that need care: sets keep their table, containers keyed by the program's hashes are filled again last."""

from __future__ import annotations

import gc
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from forkpoint import _native
from forkpoint.encode.reducers import FILL, FILL_FROZEN, Context, reduces

SetState = tuple[int, int, tuple[Any, ...], bytes]


def fill_dict(target: dict[Any, Any], pairs: list[tuple[Any, Any]]) -> None:
    """A first filling, so that library code that runs while objects are rebuilt finds its entries.

    A key that is half built may hash wrongly, or not at all; `refill_dict` puts that right.
    """
    setter = OrderedDict.__setitem__ if isinstance(target, OrderedDict) else dict.__setitem__
    try:
        for key, value in pairs:
            setter(target, key, value)
    except Exception:
        return


def refill_dict(target: dict[Any, Any], pairs: list[tuple[Any, Any]]) -> None:
    """The last filling, when all keys have their state."""
    if isinstance(target, OrderedDict):
        OrderedDict.clear(target)
        for key, value in pairs:
            OrderedDict.__setitem__(target, key, value)
        return
    dict.clear(target)
    for key, value in pairs:
        dict.__setitem__(target, key, value)


def fill_set(target: Any, state: SetState) -> None:
    """Give an empty set its table back; where hashes differ now (identity), add the keys in their old order."""
    try:
        _native.set_fill(target, *state)
    except Exception:
        return


def refill_set(target: Any, state: SetState) -> None:
    """The last filling, when all keys have their state."""
    _native.set_fill(target, *state)


def fresh_frozenset(kind: type[frozenset[Any]]) -> frozenset[Any]:
    """An empty frozenset that nobody else has."""
    return _native.frozenset_new() if kind is frozenset else frozenset.__new__(kind)


def reduce_dict(obj: dict[Any, Any], context: Context) -> Any:
    """An exact dict whose keys hash by running Python code."""
    pairs = list(obj.items())
    context.later(FILL, refill_dict, obj, pairs)
    return dict, (), pairs, None, None, fill_dict


def reduce_set(obj: Any, context: Context) -> Any:
    """An exact set or frozenset with its table."""
    state = _native.set_read(obj)
    frozen = isinstance(obj, frozenset)
    if _native.keys_need_care(obj):
        context.later(FILL_FROZEN if frozen else FILL, refill_set, obj, state)
    if frozen:
        return fresh_frozenset, (frozenset,), state, None, None, fill_set
    return set, (), state, None, None, fill_set


@reduces(OrderedDict, Counter)
def _reduce_plain_dict_subclass(obj: dict[Any, Any], context: Context) -> Any:
    kind = type(obj)
    attributes = obj.__dict__ or None
    if _native.keys_need_care(obj):
        pairs = list(obj.items())
        context.later(FILL, refill_dict, obj, pairs)
        return new_container, (kind, None), (attributes, pairs), None, None, fill_with_attributes
    return new_container, (kind, None), attributes, None, iter(list(obj.items()))


def new_container(kind: Any, argument: Any) -> Any:
    """An empty container of a library's class."""
    if kind is deque:
        return deque(maxlen=argument)
    return kind.__new__(kind)


def fill_with_attributes(target: dict[Any, Any], state: tuple[dict[str, Any] | None, list[tuple[Any, Any]]]) -> None:
    """First filling of a dict subclass with attributes."""
    attributes, pairs = state
    if attributes:
        _native.instance_fill(target, attributes)
    fill_dict(target, pairs)


def set_factory(target: Any, factory: Any) -> None:
    """A defaultdict's factory, which may refer to it."""
    target.default_factory = factory


@reduces(defaultdict)
def _reduce_defaultdict(obj: defaultdict[Any, Any], context: Context) -> Any:
    pairs = list(obj.items())
    if _native.keys_need_care(obj):
        context.later(FILL, refill_dict, obj, pairs)
        return defaultdict, (), (obj.default_factory, pairs), None, None, fill_defaultdict
    if obj.default_factory is None:
        return defaultdict, (), None, None, iter(pairs)
    return defaultdict, (), obj.default_factory, None, iter(pairs), set_factory


def fill_defaultdict(target: Any, state: tuple[Any, list[tuple[Any, Any]]]) -> None:
    """First filling of a defaultdict."""
    target.default_factory, pairs = state
    fill_dict(target, pairs)


@reduces(deque)
def _reduce_deque(obj: deque[Any], context: Context) -> Any:
    return new_container, (deque, obj.maxlen), None, iter(list(obj))


@reduces(
    *(type(getattr({}, view)()) for view in ("keys", "values", "items")),
    *(type(getattr(OrderedDict(), view)()) for view in ("keys", "values", "items")),
)
def _reduce_view(obj: Any, context: Context) -> Any:
    return dict_view, (gc.get_referents(obj)[0], type(obj).__name__.rpartition("_")[2])


def dict_view(mapping: dict[Any, Any], name: str) -> Any:
    """keys(), values() or items() of the very dict behind a view."""
    kind = OrderedDict if isinstance(mapping, OrderedDict) else dict
    return getattr(kind, name)(mapping)
