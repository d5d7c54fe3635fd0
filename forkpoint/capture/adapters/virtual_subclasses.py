"""The program's classes registered with abstract ones of libraries: `Sequence.register(Mine)`.

The abstract class keeps them in C, by weak references; one that the program itself defines is saved with them
(`encode.classes`).
"""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
from typing import Any

from forkpoint import _native
from forkpoint.capture import libraries, roots
from forkpoint.capture.adapters._quiet import Quiet


class _VirtualSubclasses(Quiet):
    name = "virtual_subclasses"
    module = "abc"

    def capture(self, before: None) -> list[tuple[Any, Any]]:
        found = roots.find()
        program = {module.__name__ for module in found.by_value} | {"__main__"}
        abstract = {id(cls): cls for cls in libraries.look(found).abstract}
        registered = [(cls, reference()) for cls in abstract.values() for reference in _abc._get_dump(cls)[0]]
        return [(cls, own) for cls, own in registered if own is not None and _native.is_programs(own, program)]

    def restore(self, state: list[tuple[Any, Any]]) -> None:
        for cls, own in state:
            cls.register(own)


ADAPTER = _VirtualSubclasses()
