"""argparse: `SUPPRESS` is a string that is asked for by identity, which no copy of it has."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


class Suppressed:
    """Stands for `argparse.SUPPRESS` in saved attributes."""


def reduce_holder(holder: Any, context: ReduceContext) -> Any:
    """An action or a parser, unless the program's own class has more to say: its attributes."""
    attributes, _ = _native.instance_dict(holder)
    if not any(value is argparse.SUPPRESS for value in (attributes or {}).values()):
        return NotImplemented
    state = {name: Suppressed if value is argparse.SUPPRESS else value for name, value in (attributes or {}).items()}
    return make_holder, (type(holder),), state, None, None, fill_holder


def make_holder(cls: type) -> Any:
    """Without attributes, and not asking its class."""
    return object.__new__(cls)


def fill_holder(holder: Any, state: dict[str, Any]) -> None:
    """Its attributes, with this process's own `SUPPRESS`."""
    found = {name: argparse.SUPPRESS if value is Suppressed else value for name, value in state.items()}
    _native.instance_fill(holder, found)


class _Parsers(Quiet):
    name = "argument_parsers"
    module = "argparse"

    def reducers(self) -> Mapping[type, Reducer]:
        return {argparse.Action: reduce_holder, argparse.ArgumentParser: reduce_holder}


ADAPTER = _Parsers()
