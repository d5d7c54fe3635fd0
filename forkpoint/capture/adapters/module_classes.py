"""Modules of the program that have a class of its own: `sys.modules[__name__].__class__ = WithProperties`."""

from __future__ import annotations

from types import ModuleType

from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet


class _ModuleClasses(Quiet):
    name = "module_classes"
    module = "builtins"

    def capture(self, before: None) -> list[tuple[ModuleType, type[ModuleType]]]:
        return [(module, type(module)) for module in roots.find().by_value if type(module) is not ModuleType]

    def restore(self, state: list[tuple[ModuleType, type[ModuleType]]]) -> None:
        for module, kind in state:
            module.__class__ = kind


ADAPTER = _ModuleClasses()
