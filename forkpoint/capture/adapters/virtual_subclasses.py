"""The program's classes registered with the standard library's abstract ones: `Sequence.register(Mine)`.

The abstract class keeps them in C, by weak references; one that the program itself defines is saved with them
(`encode.classes`).
"""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
import sys
from abc import ABCMeta
from types import ModuleType
from typing import Any

from forkpoint import _native
from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet


def _abstract_classes() -> dict[int, Any]:
    entries: list[tuple[str, Any]] = list(sys.modules.items())  # which may hold anything
    standard = [
        module
        for name, module in entries
        if isinstance(module, ModuleType) and name.partition(".")[0] in sys.stdlib_module_names
    ]
    return {id(cls): cls for module in standard for cls in list(vars(module).values()) if type(cls) is ABCMeta}


class _VirtualSubclasses(Quiet):
    name = "virtual_subclasses"
    module = "abc"

    def capture(self, before: None) -> list[tuple[Any, Any]]:
        program = {module.__name__ for module in roots.find().by_value} | {"__main__"}
        registered = [
            (cls, reference()) for cls in _abstract_classes().values() for reference in _abc._get_dump(cls)[0]
        ]
        return [(cls, own) for cls, own in registered if own is not None and _native.is_programs(own, program)]

    def restore(self, state: list[tuple[Any, Any]]) -> None:
        for cls, own in state:
            cls.register(own)


ADAPTER = _VirtualSubclasses()
