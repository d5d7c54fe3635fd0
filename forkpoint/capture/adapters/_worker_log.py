"""What a DataLoader's worker was told, in order, in eight bytes an index: epochs of large datasets are kept."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, Final

_SMALL: Final = 1 << 62
"""Indices below this, in size, fit the compact form."""


class Told:
    """Entries are (batch number, indices), or what torch sends to begin an epoch or to end; given back equal to what
    was put in.

    Lists are copied: what a sampler does to its own later does not matter. An IterableDataset's indices are all None:
    their length is kept, as a negative number.
    """

    __slots__ = ("_indices", "_lengths", "_numbers", "_others")

    def __init__(self) -> None:
        self._numbers = array("q")
        self._lengths = array("q")
        self._indices = array("q")
        self._others: dict[int, Any] = {}

    def append(self, item: Any) -> None:
        """Note one entry."""
        batch = type(item) is tuple and type(item[1]) is list
        if batch and all(type(index) is int and -_SMALL < index < _SMALL for index in item[1]):
            self._numbers.append(item[0])
            self._lengths.append(len(item[1]))
            self._indices.extend(item[1])
            return
        if batch and item[1] and all(index is None for index in item[1]):
            self._numbers.append(item[0])
            self._lengths.append(-len(item[1]))
            return
        self._others[len(self._numbers)] = (item[0], list(item[1])) if batch else item
        self._numbers.append(-1)
        self._lengths.append(0)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Any]:
        start = 0
        for at, (number, length) in enumerate(zip(self._numbers, self._lengths, strict=True)):
            if at in self._others:
                yield self._others[at]
            elif length < 0:
                yield number, [None] * -length
            else:
                yield number, self._indices[start : start + length].tolist()
                start += length
