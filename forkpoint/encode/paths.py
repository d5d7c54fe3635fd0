"""Where in the program an object is, in the user's words; searched for only when something could not be saved."""

from __future__ import annotations

import gc
import types
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from forkpoint import _native
from forkpoint.model import ProgramImage

SEARCH_OBJECTS_MAX: Final = 2_000_000
"""Beyond so many objects a path is not worth the time of the child."""


def find(image: ProgramImage, wanted: list[Any]) -> dict[int, str]:
    """id -> shortest path (`trainer.loader._socket`) of those objects that the search from the roots reaches."""
    missing = {id(obj) for obj in wanted}
    found: dict[int, str] = {}
    queue: deque[tuple[Any, str]] = deque()
    seen: set[int] = {id(module.__dict__) for module in image.modules}
    for value, path in roots(image):
        _visit(value, path, missing, found, seen, queue)
    while queue and missing and len(seen) < SEARCH_OBJECTS_MAX:
        obj, path = queue.popleft()
        for value, step in _children(obj):
            _visit(value, path + step, missing, found, seen, queue)
    return found


def _visit(
    value: Any, path: str, missing: set[int], found: dict[int, str], seen: set[int], queue: deque[tuple[Any, str]]
) -> None:
    address = id(value)
    if address in seen:
        return
    if address in missing:
        missing.discard(address)
        found[address] = path
    if gc.is_tracked(value) and not issubclass(type(value), types.ModuleType):  # a weak proxy would be asked, and raise
        seen.add(address)
        queue.append((value, path))


def roots(image: ProgramImage) -> Iterator[tuple[Any, str]]:
    """The program's variables with their names: of its modules, then of the functions it is in."""
    for module in image.modules:
        prefix = "" if module.__name__ == "__main__" else f"{module.__name__}."
        for name, value in list(module.__dict__.items()):
            if not name.startswith("__"):
                yield value, f"{prefix}{name}"
    for frame in image.stack.frames if image.stack is not None else ():
        names = (*frame.code.co_varnames, *frame.code.co_cellvars, *frame.code.co_freevars)
        for index, value in enumerate(frame.slots):
            name = names[index] if index < len(names) else "a temporary"
            yield value, f"{name} (in {frame.location.function})"


def _children(obj: Any) -> Iterator[tuple[Any, str]]:
    kind = type(obj)
    if kind is dict:
        for key, value in list(obj.items()):
            yield value, f"[{key!r}]" if isinstance(key, str | int | float | bytes) else f"[{type(key).__name__}]"
            yield key, ".keys()"
    elif kind is list or kind is tuple:
        for index, value in enumerate(obj):
            yield value, f"[{index}]"
    elif kind is types.CellType:
        for value in gc.get_referents(obj):
            yield value, ""
    elif kind is types.FunctionType:
        yield from _function_children(obj)
    else:
        attributes, _ = _native.instance_dict(obj) if not issubclass(type(obj), type) else (dict(vars(obj)), False)
        for name, value in list((attributes or {}).items()):
            yield value, f".{name}"
        for value in gc.get_referents(obj):
            if value is not attributes and not issubclass(type(value), type):
                yield value, " -> " + type(value).__name__


def _function_children(function: types.FunctionType) -> Iterator[tuple[Any, str]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        yield cell, f".{name}"
    for value in (function.__defaults__, function.__kwdefaults__):
        if value:
            yield value, ".__defaults__"
    for name, value in function.__dict__.items():
        yield value, f".{name}"
