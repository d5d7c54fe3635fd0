"""The attributes that the program's code assigns: `sklearn.some.flag = 3`, `setattr(np, "name", f)`.

Found in the code itself, whoever runs it when. What no code of the program assigns, the program has not changed.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from types import CodeType, FrameType, ModuleType
from typing import Any, Final

_STORE_ATTR: Final = dis.opmap["STORE_ATTR"]
_LOAD_ATTR: Final = dis.opmap["LOAD_ATTR"]
_LOAD_FAST: Final = dis.opmap["LOAD_FAST"]
_LOAD_NAME: Final = dis.opmap["LOAD_NAME"]
_LOAD_GLOBAL: Final = dis.opmap["LOAD_GLOBAL"]
_EXTENDED_ARG: Final = dis.opmap["EXTENDED_ARG"]
_CACHE: Final = dis.opmap["CACHE"]
_LOAD_TWO: Final = dis.opmap.get("LOAD_FAST_LOAD_FAST", -1)
_ATTR_SHIFT: Final = 1 if sys.version_info >= (3, 12) else 0
"""From 3.12 on the lowest bit of LOAD_ATTR's argument says that a method is meant (bytecodes.c)."""

_INDIRECT: Final = frozenset({"setattr", "__dict__", "vars", "__setattr__"})
"""Whoever names one of these may assign attributes by a string."""

_Instruction = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Assigned:
    """`names`: every attribute that is assigned somewhere, of whatever object; those of `self` in a method left out.
    `targets`: (module, class or instance, name) where the code says which: `pandas.DataFrame.total = ...`."""

    names: set[str] = field(default_factory=set)
    targets: list[tuple[Any, str]] = field(default_factory=list)


def find(modules: Iterable[ModuleType]) -> Assigned:
    """What the code of these modules, and of the frames of this thread, assigns. Calls nothing of the program's."""
    found = Assigned()
    seen: set[CodeType] = set()
    running: set[int] = set()
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != "forkpoint":
            _collect(frame.f_code, frame.f_globals, found, seen)
            if frame.f_code.co_name == "<module>" and frame.f_locals is frame.f_globals:
                running.add(id(frame.f_globals))
        frame = frame.f_back
    for module in modules:
        for code in _codes(module, is_running=id(vars(module)) in running):
            _collect(code, vars(module), found, seen)
    return found


def _codes(module: ModuleType, *, is_running: bool) -> Iterator[CodeType]:
    """The module's body, and the functions it holds: together nearly all of its code. A body that runs is known."""
    body = None if is_running else _body(module)
    if body is not None:
        yield body
    for value in list(vars(module).values()):
        yield from _of_value(value)


def _body(module: ModuleType) -> CodeType | None:
    """As Python keeps it compiled (`__pycache__`), or from its source."""
    import linecache

    filename, spec = getattr(module, "__file__", None), getattr(module, "__spec__", None)
    loader = getattr(spec, "loader", None)
    if type(loader) is SourceFileLoader and loader.path == filename:
        with suppress(OSError, ImportError, SyntaxError, ValueError, EOFError):
            return loader.get_code(loader.name)
    return _compiled(filename, "".join(linecache.getlines(filename))) if isinstance(filename, str) else None


@functools.lru_cache(maxsize=256)
def _compiled(filename: str, text: str) -> CodeType | None:
    try:
        return compile(text, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):  # the file is another one now; the functions that were made of it are not
        return None


def _of_value(value: Any) -> Iterator[CodeType]:
    # By exact type: asking a value, which may be a tombstone, is touching it.
    if type(value) is types.FunctionType:
        yield value.__code__
    elif issubclass(type(value), type):
        for member in list(vars(value).values()):
            function = member.__func__ if type(member) in (classmethod, staticmethod) else member
            if type(function) is types.FunctionType:
                yield function.__code__


def _collect(code: CodeType, namespace: Mapping[str, Any], found: Assigned, seen: set[CodeType]) -> None:
    """Add what this code and all code within it assigns."""
    pending = [code]
    while pending:
        code = pending.pop()
        if code in seen:
            continue
        seen.add(code)
        pending += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        if not _INDIRECT.isdisjoint(code.co_names):
            found.names.update(text for text in code.co_consts if isinstance(text, str) and text.isidentifier())
        if _STORE_ATTR in code.co_code[::2]:
            _stores(code, namespace, found)


def _stores(code: CodeType, namespace: Mapping[str, Any], found: Assigned) -> None:
    in_class = "." in code.co_qualname and not code.co_qualname.rpartition(".")[0].endswith("<locals>")
    before: list[_Instruction] = []
    for operation, argument in _instructions(code.co_code):
        if operation == _STORE_ATTR and not (in_class and _is_own_argument(before[-1])):
            name = code.co_names[argument]
            found.names.add(name)
            owner = _owner(code, before, namespace)
            if owner is not None:
                found.targets.append((owner, name))
        before.append((operation, argument))


def _instructions(raw: bytes) -> Iterator[_Instruction]:
    extended = 0
    for at in range(0, len(raw), 2):
        operation, argument = raw[at], raw[at + 1] | extended
        extended = argument << 8 if operation == _EXTENDED_ARG else 0
        if operation not in (_EXTENDED_ARG, _CACHE):
            yield operation, argument


def _is_own_argument(instruction: _Instruction) -> bool:
    """Does it load the first local, which in a method is the object itself?"""
    operation, argument = instruction
    return (operation == _LOAD_FAST and argument == 0) or (operation == _LOAD_TWO and argument & 15 == 0)


def _owner(code: CodeType, before: list[_Instruction], namespace: Mapping[str, Any]) -> Any:
    """What `module.Class` or `module.instance` means that was just loaded, if it begins with a global name, or None."""
    path: list[str] = []
    for operation, argument in reversed(before):
        if operation == _LOAD_ATTR:
            path.append(code.co_names[argument >> _ATTR_SHIFT])
            continue
        if operation not in (_LOAD_NAME, _LOAD_GLOBAL):
            return None
        owner = namespace.get(code.co_names[argument >> 1 if operation == _LOAD_GLOBAL else argument])
        for name in reversed(path):
            if not issubclass(type(owner), ModuleType | type):
                return None
            owner = vars(owner).get(name)
        return owner
    return None
