"""Which generator, map or object at the end of a chain of C iterators runs the callee, so that its value goes up it.

A C iterator that draws from others (enumerate, islice, chain, zip, ...) has changed nothing of its own as long as it
waits for the first item it asks for: it can be asked anew. One that waits for anything else holds that on the C stack.
"""

from __future__ import annotations

import functools
import gc
import itertools
import operator
import types
from collections.abc import Iterable, Iterator
from typing import Any, Final

from forkpoint.capture import callables
from forkpoint.capture.expressions import UNKNOWN, in_mro, is_a, is_in
from forkpoint.capture.frames import Frame

_CONTAINERS: Final[tuple[Iterable[Any], ...]] = (
    *([], (), "", "é", b"", bytearray(), range(0), range(1 << 70), set()),
    *({}, {}.values(), {}.items(), reversed([]), itertools.count(), itertools.repeat(0)),
)
_WITHOUT_CALLS: Final = frozenset(type(iter(made)) for made in _CONTAINERS)
"""C iterators of builtin containers: what they run is at most `__index__` or the like, never a function of a map."""

_ASKED_ANEW: Final = (
    *(enumerate, zip, filter, itertools.islice, itertools.chain, itertools.takewhile, itertools.dropwhile),
    *(itertools.starmap, itertools.filterfalse, itertools.cycle, itertools.compress),
)
"""C iterators that have changed nothing while they wait for their first source (Modules/itertoolsmodule.c). Not
accumulate: its additions may run the very function of a map it draws from."""

_PLAIN_TYPES: Final = (int, float, str, bool, complex)
_NO_ITERATION: Final = (len, abs, round, repr, ord, chr, hash, id, format)
_DEPTH: Final = 20


def feeder(iterator: Any, callee: Frame) -> Any:
    """The generator, map or object that the callee runs for, if `iterator` would ask it first of all.

    None where that is not certain: then the chain holds something that cannot be told.
    """
    found = list(_places(iterator, callee, True, _DEPTH))
    if len(found) == 1:
        return found[0]
    return None


def returns(function: Any, callee: Frame) -> bool:
    """Whether what the callee returns is what `function`, which C code has called, returns."""
    if callee.generator is not None:
        return False
    try:
        return callables.passes_on(function, callee).name == "push"
    except callables.NotPassedOn:
        return False


def _places(iterator: Any, callee: Frame, is_first: bool, depth: int) -> Iterator[Any]:
    """Each place in the chain that the callee may have been run from; None for one that cannot be asked anew."""
    kind = type(iterator)
    if depth == 0:
        yield None
    elif kind is types.GeneratorType:
        if iterator is callee.generator:
            yield iterator if is_first else None
    elif kind is map:
        made_of: tuple[Any, ...] = iterator.__reduce__()
        function, *sources = made_of[1]
        if returns(function, callee):
            yield iterator if is_first else None
        elif not _runs_no_iterator(function):
            yield None
        yield from _first_of(sources, callee, is_first, depth)
    elif kind in _ASKED_ANEW:
        for function in _functions(iterator):
            if returns(function, callee) or not _runs_no_iterator(function):
                yield None
        yield from _first_of(_sources(iterator), callee, is_first, depth)
    elif type(in_mro(kind, "__next__")) is types.FunctionType:
        if in_mro(kind, "__next__") is callee.function and iterator is callee.subject:
            yield iterator if is_first else None
    elif kind not in _WITHOUT_CALLS:
        yield None


def _first_of(sources: list[Any], callee: Frame, is_first: bool, depth: int) -> Iterator[Any]:
    for index, source in enumerate(sources):
        yield from _places(source, callee, is_first and index == 0, depth - 1)


def _sources(iterator: Any) -> list[Any]:
    """What it draws from, the one that it asks first of all at the front (what its tp_traverse shows first)."""
    kind = type(iterator)
    if kind is zip or kind is enumerate or kind is filter:
        parts: tuple[Any, ...] = iterator.__reduce__()[1]
        return list(parts) if kind is zip else [parts[0 if kind is enumerate else 1]]
    held = [each for each in gc.get_referents(iterator) if _is_iterator(each)]
    return held[::-1] if kind is itertools.chain else held  # it shows the iterator of all, then the one being read


def _functions(iterator: Any) -> list[Any]:
    kind = type(iterator)
    if kind is filter:
        made_of: tuple[Any, ...] = iterator.__reduce__()
        return [] if made_of[1][0] in (None, bool) else [made_of[1][0]]
    if kind in (zip, enumerate, itertools.islice, itertools.chain, itertools.cycle, itertools.compress):
        return []
    return [
        each for each in gc.get_referents(iterator) if callable(each) and not _is_iterator(each) and each is not kind
    ]


def _is_iterator(value: Any) -> bool:
    return in_mro(type(value), "__next__") is not UNKNOWN


def _runs_no_iterator(function: Any) -> bool:
    """Whether what it runs has a Python frame of its own, or is no generator for certain."""
    for _ in range(_DEPTH):
        if type(function) is types.MethodType:
            function = function.__func__
        elif type(function) is functools.partial:
            function = function.func
        else:
            break
    kind = type(function)
    if kind is types.FunctionType or kind in (operator.itemgetter, operator.attrgetter):
        return True
    if kind is types.MethodDescriptorType:
        return function.__objclass__ in _PLAIN_TYPES and function.__name__ != "join"
    if kind is types.BuiltinFunctionType:
        of_text = type(function.__self__) is str and function.__name__ != "join"
        return of_text or is_in(function, _NO_ITERATION)
    if is_a(function, type):
        if is_in(function, _PLAIN_TYPES):
            return True
        plain_new = in_mro(function, "__new__") is object.__dict__["__new__"]
        return type(function) is type and plain_new and type(in_mro(function, "__init__")) is types.FunctionType
    return type(in_mro(kind, "__call__")) is types.FunctionType
