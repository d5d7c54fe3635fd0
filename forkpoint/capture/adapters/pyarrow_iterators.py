"""pyarrow: loops over arrays, also those that pandas runs over its columns of strings (`for name, group in groupby`).

Such an iterator is a generator made by Cython: what it iterates over can be seen, where it stands cannot. It is run to
its end and what came is counted, which is no harm where it is saved: in a child that ends afterwards.
"""

from __future__ import annotations

import collections
import gc
import itertools
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_GENERATOR: Final = type(iter(pa.array([])))
"""Shared by all modules that one version of Cython has compiled."""

_SOURCES: Final = {
    "Array.__iter__": pa.Array,
    "ChunkedArray.__iter__": pa.ChunkedArray,
    "ChunkedArray.iterchunks": pa.ChunkedArray,
}


def reduce_generator(generator: Any, context: ReduceContext) -> Any:
    """An iterator over an array, or over its chunks, by the array and how many items are still to come."""
    kind = generator.__qualname__
    if kind is None:  # it has ended, and let go of all
        return make_iterator, (None, None, 0)
    if kind not in _SOURCES or generator.gi_running:
        return NotImplemented
    scope = itertools.chain.from_iterable(map(gc.get_referents, gc.get_referents(generator)))
    source = next(each for each in scope if isinstance(each, _SOURCES[kind]))
    return make_iterator, (kind, source, sum(1 for _ in generator))


def make_iterator(kind: str | None, source: Any, to_come: int) -> Any:
    """The iterator that has `to_come` items left; `kind` is None for one that had ended."""
    if kind is None:
        ended = iter(pa.array([]))
        next(ended, None)
        return ended
    is_of_chunks = kind == "ChunkedArray.iterchunks"
    iterator = source.iterchunks() if is_of_chunks else iter(source)
    length = source.num_chunks if is_of_chunks else len(source)
    collections.deque(itertools.islice(iterator, length - to_come), maxlen=0)
    return iterator


class _Iterators(Quiet):
    name = "pyarrow_iterators"
    module = "pyarrow.lib"

    def reducers(self) -> Mapping[type, Reducer]:
        return {_GENERATOR: reduce_generator}


ADAPTER = _Iterators()
