"""Functions of networkx that were called already: its decorators then compile them and put the code in their place.

The compiled code, and the globals that it brings, have names with numbers of one count. So each is compiled again
under its own number before anything that refers to it, a frame in it first of all, is rebuilt. What the program's
own functions brought, which are saved by value, is saved too, and in the child taken from where it would be named.
"""

from __future__ import annotations

import importlib
import operator
import re
import sys
from types import FunctionType
from typing import Any, Final

from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet

decorators: Any = sys.modules["networkx.utils.decorators"]
argmap: Any = decorators.argmap

_COUNT: Final = "_argmap__count"
_PREFIX: Final = "argmap_"

Compiled = tuple[int, str, str]
"""The first number it took, its module, and its path there."""


class _Decorators(Quiet):
    name = "networkx_decorators"
    module = "networkx.utils.decorators"

    def facts(self) -> dict[str, Any] | None:
        count = getattr(argmap, _COUNT, 0)
        return {"count": count, "compiled": [place for _, place in _compiled()]} if count else None

    def prepare(self, found: dict[str, Any]) -> None:
        for first, module, path in found["compiled"]:
            function = _decorated(module, path)
            if function is not None and _first_number(function) is None:
                setattr(argmap, _COUNT, first - 1)
                argmap._lazy_compile(function)
        setattr(argmap, _COUNT, max(found["count"], getattr(argmap, _COUNT, 0)))

    def capture(self, before: None) -> dict[str, Any]:
        again = {number for numbers, _ in _compiled() for number in numbers}
        own = [name for name in vars(decorators) if name.startswith(_PREFIX) and _number(name) not in again]
        return {name: vars(decorators).pop(name) for name in own}

    def restore(self, state: dict[str, Any]) -> None:
        vars(decorators).update(state)


def _decorated(module: str, path: str) -> FunctionType | None:
    try:
        function = operator.attrgetter(path)(importlib.import_module(module))
    except (ImportError, AttributeError):
        return None
    return function if type(function) is FunctionType and "__argmap__" in function.__dict__ else None


def _number(text: str) -> int | None:
    number = re.search(r"\d+\Z", text)
    return int(number[0]) if number else None


def _first_number(function: FunctionType) -> int | None:
    """The number in the name of its code, the first that compiling it took; None for what was not compiled."""
    name = function.__code__.co_name
    return _number(name) if name.startswith(_PREFIX) else None


def _compiled() -> list[tuple[range, Compiled]]:
    """Libraries' functions that were compiled, in that order, each with the numbers that this took.

    Of each the undecorated function is one of the globals it brought.
    """
    program = {module.__name__ for module in roots.find().by_value} | {"__main__"}
    found: dict[int, tuple[range, Compiled]] = {}
    for name, value in list(vars(decorators).items()):
        module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if not name.startswith(_PREFIX) or not isinstance(module, str) or not isinstance(path, str):
            continue
        for place in (path, f"{path}.orig_func"):  # the second behind networkx's choice of backends
            function = _decorated(module, place) if module not in program else None
            if function is not None and (first := _first_number(function)) is not None:
                last = _number(function.__code__.co_filename) or first
                found[first] = range(first, last + 1), (first, module, place)
    return [found[first] for first in sorted(found)]


ADAPTER = _Decorators()
