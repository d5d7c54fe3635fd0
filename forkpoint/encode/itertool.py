"""Lazy combinations of iterators: itertools, zip, map, filter, enumerate, with the iterators they draw from.

Their own pickle support goes away in 3.14; until then it tells the state, and we say the rest.
"""

from __future__ import annotations

import gc
import itertools
import warnings
from typing import Any

from forkpoint import _native
from forkpoint.encode.reducers import Context, reduces
from forkpoint.encode.unasked import unasked
from forkpoint.errors import Refused

_BY_THEIR_OWN = (
    zip,
    map,
    filter,
    enumerate,
    reversed,
    type(iter(int, 1)),
    type(iter(range(0))),
    type(iter(range(1 << 70))),
    *(
        getattr(itertools, name)
        for name in (
            "accumulate chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse"
            " islice permutations product repeat starmap takewhile zip_longest _grouper _tee _tee_dataobject"
        ).split()
    ),
)

_SOURCES: dict[Any, slice] = {
    **dict.fromkeys((enumerate, itertools.islice, itertools.cycle, itertools.accumulate, itertools.groupby), slice(1)),
    **dict.fromkeys((zip, itertools.zip_longest, itertools.compress), slice(None)),
    **dict.fromkeys((map, filter, itertools.filterfalse, itertools.starmap), slice(1, None)),
    **dict.fromkeys((itertools.takewhile, itertools.dropwhile), slice(1, None)),
}
"""Which of the arguments that their own protocol makes them of are the iterators they draw from."""


@reduces(*_BY_THEIR_OWN)
def _reduce_itertool(obj: Any, context: Context) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            maker, arguments, *state = obj.__reduce__()
        except Refused:
            raise
        except Exception as error:
            return context.tombstone(obj, f"{type(error).__name__}: {error}")
    if maker is type(obj) and maker in _SOURCES:
        given = list(arguments)
        given[_SOURCES[maker]] = map(unasked, given[_SOURCES[maker]])
        arguments = tuple(given)
    return maker, arguments, *state


def groupby_between(kind: Any, source: Any, key: Any, target: Any) -> Any:
    """A groupby whose group of that key has given all that was read."""
    made = kind(source, key)
    made.__setstate__((target, None, target))
    next(itertools._grouper(made, target))  # type: ignore[attr-defined]
    return made


@reduces(itertools.groupby)
def _reduce_groupby(obj: Any, context: Context) -> Any:
    """Its own protocol forgets of which key the last group was, once an element of that is taken and the next not yet
    read (Modules/itertoolsmodule.c, groupby_reduce): its rest would be a group by itself.
    """
    held = _held(obj)
    if len(held) == 3:
        source, key, target = held
        return groupby_between, (type(obj), unasked(source), key, target)
    return _reduce_itertool(obj, context)


def make_pairwise(kind: Any, source: Any, first: tuple[Any, ...]) -> Any:
    """A pairwise that has read `first` already."""
    return kind(itertools.chain(first, source) if first else source)


def _held(obj: Any) -> list[Any]:
    return [value for value in gc.get_referents(obj) if value is not type(obj)]


_RESULT_KEPT = len(_held(itertools.pairwise(()))) - 1
"""3.13 keeps the tuple it returned last, to use it again."""


@reduces(itertools.pairwise)
def _reduce_pairwise(obj: Any, context: Context) -> Any:
    held = _held(obj)
    held = held[: len(held) - _RESULT_KEPT]
    if not held:
        return make_pairwise, (type(obj), iter(()), ())
    return make_pairwise, (type(obj), unasked(held[0]), tuple(held[1:2]))


def make_batched(kind: Any, source: Any, size: int, strict: bool) -> Any:
    """A batched over an iterator."""
    return kind(source, size, strict=True) if strict else kind(source, size)


if hasattr(itertools, "batched"):

    @reduces(itertools.batched)
    def _reduce_batched(obj: Any, context: Context) -> Any:
        size, strict = _native.batched_read(obj)
        held = _held(obj)
        return make_batched, (type(obj), unasked(held[0] if held else iter(())), size, strict)
