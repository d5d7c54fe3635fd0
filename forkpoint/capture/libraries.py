"""What libraries hold: one walk (native/survey.c) in each child, for all who ask.

Which objects libraries own under which name, so that they are named and not copied; what the program has put into them
(`adapters.library_changes`); how far they have counted (`adapters.library_counters`). What was found in a namespace
that has not changed since is remembered, in memory that one child leaves to the next (native/settled.c).
"""

from __future__ import annotations

import _thread
import builtins
import mmap
import os
import sys
import types
from abc import ABCMeta
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import BuiltinFunctionType, ModuleType
from typing import Any, Final, NamedTuple

from forkpoint import _native
from forkpoint.capture import assignments, descriptors
from forkpoint.capture.assignments import Assigned
from forkpoint.capture.roots import Roots
from forkpoint.model import LibraryObjects

_ATOMS: Final = {
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    tuple,
    type(...),
    type(NotImplemented),
    types.CodeType,
    types.CellType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.MappingProxyType,
    property,
    staticmethod,
    classmethod,
}
"""What has no identity worth keeping, or is named through the class that holds it."""

_SYS_NAMES: Final = frozenset(
    {"modules", "path", "path_hooks", "meta_path", "path_importer_cache", "flags", "version_info", "implementation"}
    | {"hash_info", "float_info", "int_info", "thread_info", "builtin_module_names", "stdlib_module_names"}
    | {"__stdin__", "__stdout__", "__stderr__", "warnoptions", "_xoptions", "__excepthook__", "__displayhook__"}
)
"""Of `sys`, only what the interpreter makes; `sys.stdout` or `sys.excepthook` may be the program's."""

_BUILTINS: Final = frozenset(
    {"None", "True", "False", "Ellipsis", "NotImplemented", "__debug__", "open", "quit", "exit", "help"}
    | {"__doc__", "__name__", "__package__", "__loader__", "__spec__", "copyright", "credits", "license"}
)
"""What a fresh interpreter has in `builtins` beside functions and classes that say they are from there."""

_EVERYWHERE: Final = {"__builtins__", "__spec__", "__loader__", "__path__", "__warningregistry__"}
"""Names in every module's namespace, which name nothing of its own."""

_MADE_ON_DEMAND: Final = (
    ("threadpoolctl", "ThreadpoolController"),
    ("rich.console", "Console"),
    ("joblib.executor", "MemmappingExecutor"),
)
"""Classes of objects that libraries keep in a global once they have needed one: a fresh import has none to be named."""

_ELSEWHERE: Final = frozenset({"sys", "forkpoint", "site", "sitecustomize", "usercustomize"})
"""Top-level names where what the program changes has an adapter of its own (`interpreter`), or is ours."""

_UNSETTLING: Final = frozenset({"__class__", "__module__", "__wrapped__", "__defaults__", "__kwdefaults__"})
"""What says whose an object is, or holds one, beside the namespace that holds it. Where the program's code assigns one
of these, nothing is taken for unchanged; that libraries do so while the program works is not looked for."""

Drift = tuple[str, str, str, Any, list[Any] | None]
"""Module, path of the class or instance in it ("" for the module itself), name, value; for a dict, list or set that
only holds what is the program's, its keys, indexes or elements."""

_Asked = tuple[str, dict[str, Any], int]
"""Name and namespace of a module, and what is asked of it."""

_SYS: Final[dict[str, Any]] = {}

Counter = tuple[str, str, str, Any]
"""Module, class in it or "", name, and the `itertools.count`."""


class Survey(NamedTuple):
    """What a walk has found, and what the program's code assigns. `abstract`: classes made by `ABCMeta`
    with which some were registered. `locals`: module, name, and the `threading.local` there."""

    named: _native.NamedObjects
    drifted: list[Drift]
    counters: list[Counter]
    abstract: list[ABCMeta]
    locals: list[tuple[str, str, _thread._local]]
    assigned: Assigned


@dataclass(slots=True)
class _State:
    memory: mmap.mmap | None = None
    owner: int = 0
    in_child: bool = False
    taken: dict[Roots, Survey] = field(default_factory=dict)
    asked: list[_Asked] = field(default_factory=list)
    fingerprint: int = 0
    learned: bool = False


_state: Final = _State()


def mark(found: Roots) -> None:
    """In the program, right before it forks: what its namespaces hold from here on, that child has not seen.

    Which namespaces there are is listed here, when modules came or went, and the program's code is read: for the child
    each of them would be a page to copy.
    """
    if found.fingerprint != _state.fingerprint:
        _state.asked, _state.fingerprint, _state.learned = _asked(found), found.fingerprint, False
    _state.learned = _state.learned or assignments.learn(found.by_value)
    if _state.owner != os.getpid():  # or the program has forked, and its parent goes on in the memory it has
        _state.memory, _state.owner = None, os.getpid()
        with suppress(OSError):  # no memory for it: each child looks at everything
            _state.memory = mmap.mmap(-1, _native.SETTLED_BYTES)
    if _state.memory is not None:
        _native.settled_mark(_state.memory)


def begin() -> None:
    """In the child: nothing changes from here on, and one walk will do."""
    _state.in_child = True


def look(found: Roots) -> Survey:
    """What the libraries hold beside these modules of the program's. Runs none of their code."""
    survey = _state.taken.get(found)
    if survey is None:
        survey = _survey(found)
        if _state.in_child:
            _state.taken[found] = survey
    return survey


def _survey(found: Roots) -> Survey:
    program = {module.__name__ for module in found.by_value} | {"__main__"}
    assigned = assignments.find(found.by_value)
    atoms = _not_named()
    settled = _state.in_child and _UNSETTLING.isdisjoint(assigned.names)
    terms = hash((frozenset(program), frozenset(assigned.names), frozenset(atoms))) & ~(-1 << 64) or 1
    memory = _state.memory if settled else None
    walked = _native.survey(
        _listed(found), program, assigned.names, atoms, _EVERYWHERE, ABCMeta, _thread._local, memory, terms
    )
    return Survey(*walked, assigned)


def installed() -> dict[str, Any]:
    """What somebody put into builtins, whoever it was."""
    return {
        name: value
        for name, value in list(vars(builtins).items())
        if name not in _BUILTINS and not (type(value) in (type, BuiltinFunctionType) and value.__module__ == "builtins")
    }


def changeable(own: set[int]) -> list[tuple[str, dict[str, Any]]]:
    """Names and namespaces of the library modules, but for those whose changes have an adapter of their own; `own` are
    the ids of the program's modules.
    """
    return [(name, namespace) for name, namespace in _namespaces(own) if name.partition(".")[0] not in _ELSEWHERE]


def _namespaces(own: set[int]) -> list[tuple[str, dict[str, Any]]]:
    entries: list[tuple[str, Any]] = list(sys.modules.items())  # which may hold anything
    return [
        (name, vars(module)) for name, module in entries if isinstance(module, ModuleType) and id(module) not in own
    ]


def _listed(found: Roots) -> list[_Asked]:
    """The namespaces to walk."""
    listed = _state.in_child and found.fingerprint and found.fingerprint == _state.fingerprint
    asked = _state.asked if listed else _asked(found)
    for at, entry in enumerate(asked):
        if entry[1] is _SYS:
            namespace = vars(sys)
            asked[at] = "sys", {key: namespace[key] for key in _SYS_NAMES & namespace.keys()}, _native.NAMES
            break  # right at the beginning: the other entries are not to be touched
    return asked


def _asked(found: Roots) -> list[_Asked]:
    """The namespaces, and what is asked of each; `_SYS` stands for some names of `sys`, as they are when walked."""
    asked: list[_Asked] = []
    for name, namespace in _namespaces({id(module) for module in found.by_value}):
        if name == "sys":
            asked.append((name, _SYS, _native.NAMES))
            asked.append((name, namespace, _native.MEMBERS | _native.COUNTERS))
            continue
        asks = _native.NAMES | _native.MEMBERS | _native.COUNTERS | _native.ABSTRACT
        asks |= _native.DRIFT if name.partition(".")[0] not in _ELSEWHERE else 0
        asked.append((name, namespace, asks))
    return asked


def _not_named() -> set[type]:
    """Types whose objects are saved by what they are wherever they are found."""
    found = {getattr(sys.modules.get(module), name, None) for module, name in _MADE_ON_DEMAND}
    return _ATOMS | {kind for kind in found if isinstance(kind, type)}


class Named(LibraryObjects):
    """id -> (module, dotted path) of what libraries own: objects of their modules' and classes' namespaces.

    Functions, classes and modules are not in it (they carry their own names), nor are atoms, nor what the program put
    into a library: an object of a class, or a function, that a by-value module defines, or what its code assigns there.
    """

    __slots__ = ("_before", "_found", "_left", "assigned")

    def __init__(self, survey: Survey) -> None:
        self._found = survey.named
        self._before = {id(_native.NULL): ("forkpoint._native", "NULL"), **_standard_streams()}
        self._left = self._assigned(survey.assigned) | {id(value) for value in installed().values()}
        if descriptors.is_input_file(sys.__stdin__):
            self._left.add(id(sys.__stdin__))  # a file like any other (adapters.standard_input)
        self.assigned = survey.assigned.names

    def _assigned(self, assigned: Assigned) -> set[int]:
        """What lies in a library because the program's code puts it there: its name would lead nowhere later."""
        found: set[int] = set()
        for owner, name in assigned.targets:
            if not issubclass(type(owner), ModuleType | type):
                continue  # instances' attributes have no names; and not isinstance: asking a tombstone is touching it
            value = vars(owner).get(name)
            place = self._found.find(id(value))
            if place is not None and _is_at(place, owner, name):
                found.add(id(value))
        return found

    def get(self, address: int, default: Any = None, /) -> Any:
        """Asked for each object that is saved: without an exception for what has no name."""
        place = self._before.get(address) or self._found.find(address)
        return default if place is None or address in self._left else place

    def __getitem__(self, address: int) -> tuple[str, str]:
        place = self.get(address)
        if place is None:
            raise KeyError(address)
        return place  # type: ignore[no-any-return]

    def __contains__(self, address: object) -> bool:
        return self.get(address) is not None  # type: ignore[arg-type]  # as of any mapping

    def __iter__(self) -> Iterator[int]:
        return iter(dict.fromkeys(one for one in (*self._before, *self._found.ids()) if self.get(one) is not None))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def tell(self, graph_filter: _native.GraphFilter) -> None:
        """See `model.LibraryObjects`."""
        graph_filter.register(self._before)
        graph_filter.register_named(self._found, self._left)


def _is_at(place: tuple[str, str], owner: Any, name: str) -> bool:
    """Is this module or class what offers the object of that place, under this name?"""
    path, _, last = place[1].rpartition(".")
    if last == f"[{name}]":  # a descriptor's
        path, last = path.removesuffix(".__dict__"), name
    loaded = sys.modules.get(place[0])
    return last == name and owner is (getattr(loaded, path, None) if path else loaded)


def _standard_streams() -> dict[int, tuple[str, str]]:
    """The process's own descriptors 0 to 2 are the new process's after a restore, whatever object wraps them, unless
    it reads a file.
    """
    found: dict[int, tuple[str, str]] = {}
    for name in ("stdin", "stdout", "stderr"):
        for stream_name in (f"__{name}__", name):
            stream = getattr(sys, stream_name)
            path = stream_name
            while stream is not None and _is_descriptor(stream, name) and not descriptors.is_input_file(stream):
                found.setdefault(id(stream), ("sys", path))
                attribute = "buffer" if hasattr(stream, "buffer") else "raw"
                stream = getattr(stream, attribute, None)
                path = f"{path}.{attribute}"
    return found


def _is_descriptor(stream: Any, name: str) -> bool:
    if type(stream).__module__ not in ("_io", "io") and not type(stream).__module__.startswith("forkpoint"):
        return False
    try:
        return bool(stream.fileno() == ("stdin", "stdout", "stderr").index(name))
    except (OSError, ValueError, AttributeError):
        return False


def named(found: Roots) -> Named:
    """What libraries own beside these modules of the program's."""
    return Named(look(found))
