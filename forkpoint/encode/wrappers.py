"""Objects that wrap one or a few others: properties, static and class methods, partials, proxies, caches."""

from __future__ import annotations

import functools
import gc
import types
from typing import Any

from forkpoint import _native
from forkpoint.encode.instances import member_slots, read_slots
from forkpoint.encode.reducers import FINISH, Context, reduces


def fresh(kind: Any, *arguments: Any) -> Any:
    """A new object from the builtin constructor, for subclasses too."""
    return kind.__new__(kind, *arguments)


def _attributes(obj: Any) -> dict[str, Any] | None:
    return _native.instance_dict(obj)[0] or None


def fill_property(obj: property, state: tuple[Any, ...]) -> None:
    """The functions of a property, which may refer to its class."""
    functions, attributes, name = state
    property.__init__(obj, *functions)
    if attributes:
        _native.instance_fill(obj, attributes)
    if name is not None:
        obj.__name__ = name  # type: ignore[attr-defined]


@reduces(property, subclasses=True)
def _reduce_property(obj: property, context: Context) -> Any:
    attributes = _attributes(obj) if type(obj) is not property else None
    name = getattr(obj, "__name__", None) if obj.fget is None else None
    state = ((obj.fget, obj.fset, obj.fdel, obj.__doc__), attributes, name)
    return fresh, (type(obj),), state, None, None, fill_property


def fill_method_wrapper(obj: Any, state: tuple[Any, dict[str, Any] | None]) -> None:
    """What a static or class method wraps."""
    function, attributes = state
    base = staticmethod if isinstance(obj, staticmethod) else classmethod
    base.__init__(obj, function)
    if attributes:
        obj.__dict__.clear()
        _native.instance_fill(obj, attributes)


@reduces(staticmethod, classmethod, subclasses=True)
def _reduce_method_wrapper(obj: Any, context: Context) -> Any:
    return fresh, (type(obj),), (obj.__func__, _attributes(obj)), None, None, fill_method_wrapper


set_partial: Any = vars(functools.partial)["__setstate__"]
_of_partial: Any = [vars(functools.partial)[name] for name in ("func", "args", "keywords")]
"""A subclass may have slots of these names (pyro's has a `func`), which say something else."""


def fill_partial(obj: Any, state: tuple[Any, ...]) -> None:
    """What a partial calls and with what, and the slots of its class."""
    *called, attributes, slots = state
    set_partial(obj, (*called, attributes))
    for cls, name, value in slots:
        vars(cls)[name].__set__(obj, value)


@reduces(functools.partial, subclasses=True)
def _reduce_partial(obj: Any, context: Context) -> Any:
    called = (member.__get__(obj) for member in _of_partial)
    state = (*called, _attributes(obj), read_slots(obj, member_slots(type(obj))))
    return fresh, (type(obj), _placeholder), state, None, None, fill_partial


def _placeholder() -> None:
    return None


def make_key(compare: Any) -> Any:
    """What `functools.cmp_to_key` returns."""
    return functools.cmp_to_key(compare)


def whole_key(compare: Any) -> Any:
    """What that makes of an object, which is still missing."""
    return functools.cmp_to_key(compare)(None)


def fill_key(key: Any, held: Any) -> None:
    """The object that is compared."""
    key.obj = held


@reduces(type(functools.cmp_to_key(lambda one, other: 0)))
def _reduce_key(obj: Any, context: Context) -> Any:
    compare, *held = [found for found in gc.get_referents(obj) if found is not type(obj)]
    make = whole_key if held else make_key
    return (make, (compare,), held[0], None, None, fill_key) if held else (make, (compare,))


@reduces(types.MappingProxyType)
def _reduce_mapping_proxy(obj: Any, context: Context) -> Any:
    (mapping,) = gc.get_referents(obj)
    if type(mapping) is dict:
        for owner in _native.living(type):
            if gc.get_referents(owner.__dict__)[0] is mapping:
                return class_namespace, (owner,)
    return types.MappingProxyType, (mapping,)


def class_namespace(cls: type) -> Any:
    """The read-only view of a class's namespace."""
    return cls.__dict__


@reduces(super)
def _reduce_super(obj: Any, context: Context) -> Any:
    get = object.__getattribute__
    return super, (get(obj, "__thisclass__"), get(obj, "__self__"))


@reduces(types.SimpleNamespace)
def _reduce_namespace(obj: Any, context: Context) -> Any:
    attributes, shared = _native.instance_dict(obj)
    put = _native.instance_adopt if shared else _native.instance_fill
    return types.SimpleNamespace, (), attributes, None, None, put


# ---- functools.lru_cache and cache

_lru_wrapper = type(functools.lru_cache(_placeholder))


def fresh_cache(maxsize: int | None, typed: bool) -> Any:
    """An empty cache around nothing yet."""
    return functools.lru_cache(maxsize, typed)(lambda *arguments, **keywords: None)


def fill_cache(cache: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """What the cache calls, and its attributes."""
    function, attributes = state
    _native.lru_set(cache, function, 0, 0)
    cache.__dict__.clear()
    cache.__dict__.update(attributes)


def warm_cache(cache: Any, calls: list[tuple[Any, ...]], hits: int, misses: int) -> None:
    """Put the entries back, oldest first, by calling the cache around a function that answers from them."""
    function = _native.lru_read(cache)[0]
    results: list[Any] = []
    _native.lru_set(cache, lambda *arguments, **keywords: results[-1], 0, 0)
    try:
        for positional, keywords, result in calls:
            results.append(result)
            cache(*positional, **keywords)
    finally:
        _native.lru_set(cache, function, hits, misses)


def _as_call(key: Any, mark: Any, typed: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments whose key this is (`functools._make_key`)."""
    if not isinstance(key, tuple | list):  # a single int or str stands for itself
        return (key,), {}
    flat: list[Any] = list(key)
    if typed:
        flat = flat[: _typed_length(flat, mark) if any(item is mark for item in flat) else len(flat) // 2]
    for index, item in enumerate(flat):
        if item is mark:
            pairs = flat[index + 1 :]
            return tuple(flat[:index]), dict(zip(pairs[::2], pairs[1::2], strict=True))
    return tuple(flat), {}


def _typed_length(flat: list[Any], mark: Any) -> int:
    """Items before the types that `typed=True` appends: n arguments, the mark, m name-value pairs, then n + m types."""
    positional = next(index for index, item in enumerate(flat) if item is mark)
    named = (len(flat) - 1 - 2 * positional) // 3
    return positional + 1 + 2 * named


@reduces(_lru_wrapper)
def _reduce_cache(obj: Any, context: Context) -> Any:
    function, hits, misses, mark, entries = _native.lru_read(obj)
    parameters = obj.cache_parameters()
    typed = parameters["typed"]
    calls = [(*_as_call(key, mark, typed), result) for key, result in entries]
    context.later(FINISH, warm_cache, obj, calls, hits, misses)
    return fresh_cache, (parameters["maxsize"], typed), (function, obj.__dict__), None, None, fill_cache
