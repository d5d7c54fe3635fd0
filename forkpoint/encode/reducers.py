"""The registry: which function says which type. Each family of values has a file of its own that registers here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, TypeVar

from forkpoint.kinds import module_of
from forkpoint.model import FrameRecord, ReduceContext

FAMILIES: Final = (
    "classes",
    "containers",
    "contexts",
    "digests",
    "directories",
    "exceptions",
    "external",
    "files",
    "functions",
    "generators",
    "generics",
    "imports",
    "iterators",
    "itertool",
    "locks",
    "matches",
    "modules",
    "references",
    "tombstones",
    "views",
    "wrappers",
)
"""Files of `forkpoint.encode` that register reducers; adding a family is adding a file and its name."""

FAMILIES_OF: Final = {"compressed": "_compression", "mapped": "mmap", "zstreams": "zlib"}
"""The same for types of modules that few programs load: file -> the module without which there are none."""

FILL_FROZEN: Final = 0
FILL: Final = 1
FINISH: Final = 2
"""Phases after all objects have their state: frozensets get their keys, then other containers, then what reads them."""


class Context(ReduceContext, Protocol):
    """What the reducers of this package may ask, beyond what adapters may."""

    def is_by_value(self, module: object) -> bool:
        """Is the module of this name saved with all it holds?"""
        ...

    def is_program_class(self, cls: type) -> bool:
        """Is the class saved by value?"""
        ...

    def is_taken_apart(self, cls: type) -> bool:
        """Are its instances saved by what they hold, whatever the class says for pickle?"""
        ...

    def path_of(self, obj: Any) -> tuple[str, str] | None:
        """(module, dotted path) under which a library offers this very object, or None."""
        ...

    def variable(self, obj: Any) -> tuple[str, str] | None:
        """Where a library's object holds this context variable."""
        ...

    def is_named(self, obj: Any) -> bool:
        """Is this something that a library owns, which is named and not copied?"""
        ...

    def is_assigned(self, name: str) -> bool:
        """Does the program's code set attributes of this name, of other objects than `self`?"""
        ...

    def is_identity(self, number: Any) -> bool:
        """Is this a number that will be another one, since it is the id() of an object?"""
        ...

    def namespace_owner(self, namespace: Mapping[str, Any]) -> str | None:
        """The name of the module whose `__dict__` this is."""
        ...

    def running(self, generator: Any) -> FrameRecord | None:
        """The captured frame of a generator that is running on the captured stack."""
        ...

    def opened_as(self, descriptor: int) -> tuple[str, int] | None:
        """Where a descriptor led, and where its file stood, when the program was frozen, if that was noted."""
        ...

    def tombstone(self, obj: Any, reason: str, kind: str = "") -> tuple[Any, ...]:
        """See `model.ReduceContext`; `kind` is the type to name where that is not the type of `obj`."""
        ...

    def later(self, phase: int, function: Callable[..., Any], *args: Any) -> None:
        """Have `function(*args)` called at restore once all objects have their state, in this phase."""
        ...


class Registered:
    """The reducers of this package, by exact type and along the MRO."""

    def __init__(self) -> None:
        self.exact: dict[type, OwnReducer] = {}
        self.inherited: dict[type, OwnReducer] = {}
        self._named: dict[tuple[str, str], OwnReducer] = {}

    def name(self, module: str, qualname: str, reducer: OwnReducer) -> None:
        """Register for a type that no module may offer, or of a module that need not be loaded."""
        self._named[module, qualname] = reducer

    def of(self, cls: type) -> OwnReducer | None:
        """The reducer of exactly this type."""
        return self.exact.get(cls) or self._named.get((module_of(cls), cls.__qualname__))

    def load(self) -> None:
        """Import every family that matters now; again after more modules were loaded."""
        loaded = (family for family, module in FAMILIES_OF.items() if module in sys.modules)
        for family in (*FAMILIES, *loaded):
            importlib.import_module(f"forkpoint.encode.{family}")


OwnReducer = Callable[[Any, Any], Any]
"""A reducer of this package: its context is a `Context`."""

_F = TypeVar("_F", bound=Callable[..., Any])

REGISTERED: Final = Registered()


def reduces(*types: type, subclasses: bool = False) -> Callable[[_F], _F]:
    """Register a reducer `(obj, context) -> reduce value` for these types, and their subclasses if asked."""

    def register(function: _F) -> _F:
        for kind in types:
            REGISTERED.exact[kind] = function
            if subclasses:
                REGISTERED.inherited[kind] = function
        return function

    return register


def reduces_named(types: Mapping[str, Iterable[str]]) -> Callable[[_F], _F]:
    """The same for types given as module -> names, none of which is imported."""

    def register(function: _F) -> _F:
        for module, names in types.items():
            for name in names:
                REGISTERED.name(module, name, function)
        return function

    return register


def along_mro(cls: type, table: Mapping[type, OwnReducer]) -> OwnReducer | None:
    """The reducer of the nearest base class in `table`."""
    for base in cls.__mro__:
        if base in table:
            return table[base]
    return None
