"""How far libraries have counted: the names of threads, pools and processes to come, numbers that must not come twice.

`itertools.count` objects in the namespaces of modules and their classes, or behind what lies there
(native/counters.c). They are only moved forward: what numbered something while the program was brought back keeps its
number for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture import libraries, roots
from forkpoint.capture.adapters._quiet import Quiet

_BY_ONE: Final = re.compile(r"count\((\d{1,18})\)")

Place = tuple[str, str, str]
"""Module, class in it or "", name."""


def _counters() -> Iterator[tuple[Place, Any, int]]:
    """Where libraries have counters by one, the counters, and the next number of each."""
    for *place, counter in libraries.look(roots.find()).counters:
        by_one = _BY_ONE.fullmatch(repr(counter))
        if by_one:
            module, path, name = place
            yield (module, path, name), counter, int(by_one[1])


class _Counters(Quiet):
    name = "library_counters"
    module = "itertools"

    def capture(self, before: None) -> dict[Place, int]:
        return {place: following for place, _, following in _counters()}

    def restore(self, state: dict[Place, int]) -> None:
        for place, counter, _ in _counters():
            _native.counter_forward(counter, state.get(place, 0))


ADAPTER = _Counters()
