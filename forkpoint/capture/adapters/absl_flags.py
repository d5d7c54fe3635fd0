"""absl's table of command line flags: what the program defined and what was parsed. An import brings its own alone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from absl import flags

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_BY_ID: Final = "__flags_by_module_id"
"""The one of its tables that goes by the `id()` of modules."""


def make_flag(cls: type) -> Any:
    """A flag without anything."""
    return object.__new__(cls)


def reduce_flag(flag: Any, context: ReduceContext) -> Any:
    """By its attributes; it refuses pickle, lest a second table have it."""
    return make_flag, (type(flag),), attributes(flag), None, None, fill


class _Flags(Quiet):
    name = "absl_flags"
    module = "absl.flags"

    def reducers(self) -> Mapping[type, Reducer]:
        return {flags.Flag: reduce_flag}

    def capture(self, before: None) -> tuple[dict[str, Any], list[tuple[ModuleType, Any]]]:
        tables = dict(vars(flags.FLAGS))
        modules = {id(module): module for module in sys.modules.values()}
        by_module = [(modules[key], found) for key, found in tables.pop(_BY_ID, {}).items() if key in modules]
        return tables, by_module

    def restore(self, state: tuple[dict[str, Any], list[tuple[ModuleType, Any]]]) -> None:
        tables, by_module = state
        here = vars(flags.FLAGS)
        for name, value in {**tables, _BY_ID: {id(module): found for module, found in by_module}}.items():
            if isinstance(here.get(name), dict):
                here[name].clear()
                here[name].update(value)
            else:
                here[name] = value


ADAPTER = _Flags()
