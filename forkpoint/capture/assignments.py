"""The attributes that the program's code assigns: `sklearn.some.flag = 3`, `setattr(np, "name", f)`.

Found in the code itself, whoever runs it when. What no code of the program assigns, the program has not changed.
What a code object says never changes: it is read once, in the program (`learn`), and not anew in every child.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from time import perf_counter
from types import CodeType, FrameType, ModuleType
from typing import Any, Final, NamedTuple

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

_INDIRECT: Final = frozenset({"setattr", "__dict__", "vars", "__setattr__", "patch"})
"""Whoever names one of these may assign attributes by a string; `unittest.mock.patch` by a dotted one."""

_LEARNING_SECONDS: Final = 0.002
"""How long the program stands still, at one commit, for what its children need not do: a large one learns by and by."""

_KEPT_MAX: Final = 1 << 15

_Instruction = tuple[int, int]


class _Said(NamedTuple):
    """What one code object says, without those within it: attributes that it assigns, of whatever object; of those the
    ones of what a global name leads to, each with the path to the object; and the code objects within it.
    """

    names: tuple[str, ...]
    targets: tuple[tuple[tuple[str, ...], str], ...]
    within: tuple[CodeType, ...]


_said: Final[dict[int, tuple[weakref.ref[CodeType], _Said]]] = {}
"""By the id of the code object, which is not kept alive by it."""

_bodies: Final[dict[int, tuple[weakref.ref[ModuleType], object, CodeType]]] = {}
"""By the id of a module: it, its spec (another one once it was loaded again) and its body."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """`names`: every attribute that is assigned somewhere, of whatever object; those of `self` in a method left out.
    `targets`: (module, class or instance, name) where the code says which: `pandas.DataFrame.total = ...`."""

    names: set[str] = field(default_factory=set)
    targets: list[tuple[Any, str]] = field(default_factory=list)


def learn(modules: Iterable[ModuleType]) -> bool:
    """In the program: read what `find` will ask of these modules, as far as a moment goes; whether that was all."""
    until = perf_counter() + _LEARNING_SECONDS
    for module in modules:
        pending = [body] if (body := _kept_body(module)) is not None else []
        pending += _of_values(module)
        while pending:
            code = pending.pop()
            if _known(code) is None and perf_counter() > until:
                return False
            pending += _says(code).within
    return True


def find(modules: Iterable[ModuleType]) -> Assigned:
    """What the code of these modules, and of the frames of this thread, assigns. Calls nothing of the program's."""
    found = Assigned()
    seen: set[object] = set()
    running: set[int] = set()
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != "forkpoint":
            _collect(frame.f_code, frame.f_globals, found, seen)
            if frame.f_code.co_name == "<module>" and frame.f_locals is frame.f_globals:
                running.add(id(frame.f_globals))
        frame = frame.f_back
    for module in modules:
        body = None if id(vars(module)) in running else _body(module)  # one that runs is known
        if body is not None:
            _collect(body, vars(module), found, seen)
        for code in _of_values(module):
            _collect(code, vars(module), found, seen)
    return found


def _of_values(module: ModuleType) -> Iterator[CodeType]:
    """The functions that the module holds: with its body nearly all of its code."""
    for value in list(vars(module).values()):
        yield from _of_value(value)


def _body(module: ModuleType) -> CodeType | None:
    """As Python keeps it compiled (`__pycache__`), or from its source."""
    import linecache

    kept = _kept_body(module)
    if kept is not None:
        return kept
    filename = getattr(module, "__file__", None)
    return _compiled(filename, "".join(linecache.getlines(filename))) if isinstance(filename, str) else None


def _kept_body(module: ModuleType) -> CodeType | None:
    """The body of a module that was imported from a file, as it was when this was asked first."""
    spec = getattr(module, "__spec__", None)
    known = _bodies.get(id(module))
    if known is not None and known[0]() is module and known[1] is spec:
        return known[2]
    loader = getattr(spec, "loader", None)
    if type(loader) is SourceFileLoader and loader.path == getattr(module, "__file__", None):
        with suppress(OSError, ImportError, SyntaxError, ValueError, EOFError):
            code = loader.get_code(loader.name)
            if code is not None:
                _bodies[id(module)] = weakref.ref(module), spec, code
            return code
    return None


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


def _collect(code: CodeType, namespace: Mapping[str, Any], found: Assigned, seen: set[object]) -> None:
    """Add what this code and all code within it assigns. A function's code may come again, in its module's body."""
    pending = [code]
    while pending:
        code = pending.pop()
        if id(code) in seen:
            continue
        seen.add(id(code))
        said = _says(code)
        pending += said.within
        found.names.update(said.names)
        for path, name in said.targets:
            owner = _owner(namespace, path)
            if owner is not None and (id(owner), name) not in seen:
                seen.add((id(owner), name))
                found.targets.append((owner, name))


def _known(code: CodeType) -> _Said | None:
    known = _said.get(id(code))
    return known[1] if known is not None and known[0]() is code else None


def _says(code: CodeType) -> _Said:
    said = _known(code)
    if said is not None:
        return said
    said = _read(code)
    if len(_said) >= _KEPT_MAX:  # a program that makes functions all the time
        _said.clear()
    _said[id(code)] = weakref.ref(code), said
    return said


def _read(code: CodeType) -> _Said:
    names: list[str] = []
    targets: list[tuple[tuple[str, ...], str]] = []
    if not _INDIRECT.isdisjoint(code.co_names):
        last = [text.rpartition(".")[2] for text in code.co_consts if isinstance(text, str)]
        names += [name for name in last if name.isidentifier()]
    if _STORE_ATTR in code.co_code[::2]:
        in_class = "." in code.co_qualname and not code.co_qualname.rpartition(".")[0].endswith("<locals>")
        before: list[_Instruction] = []
        for operation, argument in _instructions(code.co_code):
            if operation == _STORE_ATTR and not (in_class and _is_own_argument(before[-1])):
                names.append(code.co_names[argument])
                path = _path(code, before)
                if path:
                    targets.append((path, code.co_names[argument]))
            before.append((operation, argument))
    within = tuple(constant for constant in code.co_consts if isinstance(constant, CodeType))
    return _Said(tuple(names), tuple(targets), within)


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


def _path(code: CodeType, before: list[_Instruction]) -> tuple[str, ...]:
    """The names of `module.Class` or `module.instance` that was just loaded, if it begins with a global one, or ()."""
    path: list[str] = []
    for operation, argument in reversed(before):
        if operation == _LOAD_ATTR:
            path.append(code.co_names[argument >> _ATTR_SHIFT])
            continue
        if operation not in (_LOAD_NAME, _LOAD_GLOBAL):
            return ()
        path.append(code.co_names[argument >> 1 if operation == _LOAD_GLOBAL else argument])
        return tuple(reversed(path))
    return ()


def _owner(namespace: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """What this path means there, or None."""
    first, *rest = path
    owner = namespace.get(first)
    for name in rest:
        if not issubclass(type(owner), ModuleType | type):
            return None
        owner = vars(owner).get(name)
    return owner
