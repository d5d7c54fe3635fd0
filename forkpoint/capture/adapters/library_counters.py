"""How far libraries have counted: the names of threads, pools and processes to come, numbers that must not come twice.

`itertools.count` objects in the namespaces of modules and their classes, or behind what lies there
(native/counters.c). They are only moved forward: what numbered something while the program was brought back keeps its
number for itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture import libraries, roots
from forkpoint.capture.adapters._quiet import Quiet

_BY_ONE: Final = re.compile(r"count\((\d{1,18})\)")

Place = tuple[str, str, str]
"""Module, class in it or "", name."""


def _counters() -> Iterator[tuple[Place, int]]:
    """Where libraries have counters by one, and the next number of each."""
    for module, path, name, counter in libraries.look(roots.find()).counters:
        by_one = _BY_ONE.fullmatch(repr(counter))
        if by_one:
            yield (module, path, name), int(by_one[1])


def _at(place: Place) -> object:
    """What lies there now; None where there is no such place. Runs no code of what lies on the way."""
    module, path, name = place
    owner: Any = sys.modules.get(module)
    for part in filter(None, path.split(".")):
        owner = vars(owner).get(part) if issubclass(type(owner), type | ModuleType) else None
    return vars(owner).get(name) if issubclass(type(owner), type | ModuleType) else None


class _Counters(Quiet):
    name = "library_counters"
    module = "itertools"

    def capture(self, before: None) -> dict[Place, int]:
        return dict(_counters())

    def restore(self, state: dict[Place, int]) -> None:
        for place, following in state.items():
            _native.counter_forward(_at(place), following)


ADAPTER = _Counters()
