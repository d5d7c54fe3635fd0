"""Builtin iterators with their container and position: they go on seeing it, changes included."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any

from forkpoint import _native
from forkpoint.encode.reducers import FINISH, Context, reduces

_VIEWS = ("keys", "values", "items")
_FORWARD = {type(iter(getattr({}, view)())): view for view in _VIEWS}
_BACKWARD = {type(reversed(getattr({}, view)())): view for view in _VIEWS}


def dict_iterator(target: dict[Any, Any], view: str, backward: bool) -> Iterator[Any]:
    """A fresh iterator over a dict that may still be filled."""
    made = getattr(dict, view)(target)
    return reversed(made) if backward else iter(made)


def place_iterator(iterator: Any, state: tuple[int, int, int]) -> None:
    """Where the iterator stands, and the size at which it notices a change."""
    _native.iterator_place(iterator, *state)


def exhausted(kind: str, view: str) -> Iterator[Any]:
    """An iterator that has ended, of the same type."""
    if kind == "set":
        iterator: Iterator[Any] = iter(set())
    elif kind == "odict":
        iterator = odict_iterator(int(view))
    else:
        iterator = dict_iterator({}, view, kind == "backward")
    for _ in iterator:
        pass
    return iterator


@reduces(*_FORWARD, *_BACKWARD)
def _reduce_dict_iterator(obj: Any, context: Context) -> Any:
    kind = type(obj)
    backward = kind in _BACKWARD
    view = (_BACKWARD if backward else _FORWARD)[kind]
    read = _native.iterator_read(obj)
    if read is None:
        return exhausted, ("backward" if backward else "forward", view)
    container, *position = read
    return dict_iterator, (container, view, backward), tuple(position), None, None, place_iterator


_ATOMS = (str, bytes, int, float, bool, complex)


def _keeps_hash(key: Any, context: Context) -> bool:
    """Does the key hash the same in a new process (same hash seed), so that the set's table is kept?"""
    kind = type(key)
    if kind is tuple or kind is frozenset:
        return all(_keeps_hash(part, context) for part in key)
    return kind in _ATOMS and not context.is_identity(key)


def set_iterator(target: Any) -> Iterator[Any]:
    """A fresh iterator over a set that may still be filled."""
    return set.__iter__(target) if isinstance(target, set) else frozenset.__iter__(target)


@reduces(type(iter(set())))
def _reduce_set_iterator(obj: Any, context: Context) -> Any:
    read = _native.iterator_read(obj)
    if read is None:
        return exhausted, ("set", "")
    container, used, position, remaining = read
    _, _, keys, table = _native.set_read(container)
    if all(_keeps_hash(key, context) for key in keys):
        return set_iterator, (container,), (used, position, remaining), None, None, place_iterator
    # Hashed by identity: the order will be another, so what it has still to give is kept itself.
    places = memoryview(table).cast("q")
    live = [places[n] for n in range(0, len(places), 2) if places[n + 1] != -1]
    rest = [key for key, place in zip(keys, live, strict=True) if place >= position]
    return iter, (rest,)


_ODICT_KINDS = {2: "keys", 4: "values", 6: "items"}


def odict_iterator(kind: int) -> Iterator[Any]:
    """An OrderedDict iterator of that kind over nothing; `place_odict_iterator` gives it its dict."""
    view = getattr(OrderedDict(), _ODICT_KINDS[kind & 6])()
    return reversed(view) if kind & 1 else iter(view)


def place_odict_iterator(iterator: Any, target: Any, size: int, fresh: bool, key: Any) -> None:
    """Container and next key of an OrderedDict iterator; once the dict is filled, since filling counts as change."""
    _native.odict_iterator_place(iterator, target, size, fresh, key)


@reduces(type(iter(OrderedDict())))
def _reduce_odict_iterator(obj: Any, context: Context) -> Any:
    kind, target, *rest = _native.odict_iterator_read(obj)
    if target is None:
        return exhausted, ("odict", str(kind))
    context.later(FINISH, place_odict_iterator, obj, target, *rest)
    return odict_iterator, (kind,)


def sequence_iterator(target: Any) -> Iterator[Any]:
    """iter() of the builtin sequence, whatever a subclass defines."""
    kinds: tuple[Any, ...] = (list, tuple, str, bytes, bytearray)
    for kind in kinds:
        if isinstance(target, kind):
            iterator: Iterator[Any] = kind.__iter__(target)
            return iterator
    return iter(target)


def set_index(iterator: Any, index: int) -> None:
    """Position of an iterator over a sequence; the sequence may still be growing while it is rebuilt."""
    iterator.__setstate__(index)


_SEQUENCES: tuple[Any, ...] = ([], (), "", "é", b"", bytearray())


@reduces(*map(type, map(iter, _SEQUENCES)))
def _reduce_sequence_iterator(obj: Any, context: Context) -> Any:
    value = obj.__reduce__()
    if len(value) < 3:  # ended: iter(())
        return ended_iterator, (type(obj).__name__,)
    _, (target,), index = value
    return sequence_iterator, (target,), index, None, None, set_index_late(context, obj, index)


def set_index_late(context: Context, iterator: Any, index: int) -> Any:
    """`__setstate__` clips to the length of the moment: set the position once more when all is filled."""
    context.later(FINISH, set_index, iterator, index)
    return set_index


def ended_iterator(kind: str) -> Iterator[Any]:
    """An iterator over a sequence that has ended, of the same type."""
    samples: dict[str, Any] = {
        "list_iterator": [],
        "tuple_iterator": (),
        "str_iterator": "é",
        "str_ascii_iterator": "",
        "bytes_iterator": b"",
        "bytearray_iterator": bytearray(),
    }
    iterator: Iterator[Any] = iter(samples.get(kind, ()))
    for _ in iterator:
        pass
    return iterator


def reversed_list(target: list[Any]) -> Iterator[Any]:
    """reversed() of the list itself."""
    return list.__reversed__(target)


@reduces(type(reversed([])))
def _reduce_reversed_list(obj: Any, context: Context) -> Any:
    value = obj.__reduce__()
    if len(value) < 3:
        return iter, ((),)
    _, (target,), index = value
    return reversed_list, (target,), index, None, None, set_index_late(context, obj, index)


@reduces(type(iter(deque())), type(reversed(deque())))
def _reduce_deque_iterator(obj: Any, context: Context) -> Any:
    value = obj.__reduce__()
    kind, (target, index) = value[0], value[1]
    return kind, (target, index)


@reduces(type(iter(memoryview(b""))))
def _reduce_memory_iterator(obj: Any, context: Context) -> Any:
    return iter, (list(obj),)
