"""What is named instead of copied: the path under which a library offers an object, and back."""

from __future__ import annotations

import contextvars
import functools
import importlib
import itertools
import operator
import sys
from collections import OrderedDict, deque
from collections.abc import Collection
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

from forkpoint import _native
from forkpoint.model import LibraryObjects

_SAMPLES: Final[tuple[Any, ...]] = ([], (), "", "é", b"", bytearray(), range(0), range(1 << 70), set(), deque())

HIDDEN: Final[dict[str, type]] = {
    kind.__name__: kind
    for kind in (
        *(type(iter(getattr({}, view)())) for view in ("keys", "values", "items")),
        *(type(reversed(getattr({}, view)())) for view in ("keys", "values", "items")),
        *map(type, map(iter, _SAMPLES)),
        type(iter(memoryview(b""))),
        type(iter(OrderedDict())),
        type(reversed([])),
        type(reversed(deque())),
        type(iter(int, 1)),
        *(type(getattr(OrderedDict(), view)()) for view in ("keys", "values", "items")),
        *(type(getattr({}, view)()) for view in ("keys", "values", "items")),
        type(functools.lru_cache(abs)),
        type(operator.itemgetter(0)),
        type(next(itertools.groupby([0]))[1]),
    )
}
"""Builtin types that no module offers under their name."""


_SEARCHES_MAX: Final = 16
"""Looking through all namespaces takes a millisecond or two; listing them, thirty, and memory for each object."""


def hidden_type(name: str) -> type:
    """The builtin type of that name which no module offers."""
    return HIDDEN[name]


def _modules() -> list[tuple[str, Any]]:
    """What `sys.modules` holds that is a module: it may hold anything."""
    entries: list[tuple[str, Any]] = list(sys.modules.items())
    return [(name, module) for name, module in entries if isinstance(module, ModuleType)]


def follow(module: Any, path: str) -> Any:
    """The object at a dotted path below a module; AttributeError or LookupError when it is not there.

    A part in brackets is an index or a key: `Parallel.__init__.__defaults__.[1]`.
    """
    for part in path.split("."):
        if part.startswith("["):
            at = part[1:-1]
            module = module[int(at) if at.isdigit() else at]
        else:
            module = getattr(module, part)
    return module


def leads_to(module: Any, path: str, obj: Any) -> bool:
    """Is this very object at that path now?"""
    try:
        return follow(module, path) is obj
    except (AttributeError, LookupError):
        return False


def _is_defined_at(module: Any, path: str, function: FunctionType) -> bool:
    code = function.__code__
    return code.co_filename == getattr(module, "__file__", None) and code.co_qualname == path


class Names:
    """Paths of the objects that libraries own."""

    def __init__(self, by_value: Collection[Any], named: LibraryObjects) -> None:
        self.by_value = {module.__name__ for module in by_value} | {"__main__"}
        self._own = tuple(by_value)
        self.named = named
        self.namespaces = frozenset(_native.namespaces(sys.modules))
        self._owners: dict[int, str | None] = {}
        self._offered: dict[int, tuple[str, str]] | None = None
        self._variables: dict[int, tuple[str, str]] | None = None
        self._searches = 0
        self._kept: list[object] = []

    def owner_of(self, namespace: int) -> str | None:
        """The name of the module whose namespace has this id, or None."""
        if namespace not in self.namespaces:
            return None
        if namespace not in self._owners:
            self._owners[namespace] = _native.namespace_owner(sys.modules, namespace)
        return self._owners[namespace]

    def path_of(self, obj: Any) -> tuple[str, str] | None:
        """Where a library offers this class or function: under its own name, else wherever it is found."""
        module_name = getattr(obj, "__module__", None)
        path = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
        if isinstance(module_name, str) and isinstance(path, str):
            if module_name in self.by_value or _native.is_programs(obj, self.by_value):
                return None
            module = sys.modules.get(module_name)
            if module is not None and (leads_to(module, path, obj) or self._stood_at(module, path, obj)):
                return module_name, path
            if module is not None and leads_to(module, f"{path}.__func__", obj):  # what a class method calls
                return module_name, f"{path}.__func__"
        found = self._search(obj)
        if found is None and isinstance(obj, type) and issubclass(obj, type):
            found = self._of_instance(obj)
        return found

    def variable(self, obj: contextvars.ContextVar[Any]) -> tuple[str, str] | None:
        """Where a library's object, that is named, holds this context variable."""
        if self._variables is None:
            self._variables = {
                id(value): (module_name, f"{path}.{name}")
                for module_name, path in self.named.values()
                if "." not in path
                for name, value in self._attributes(module_name, path)
                if type(value) is contextvars.ContextVar
            }
        return self._variables.get(id(obj))

    def _attributes(self, module_name: str, path: str) -> list[tuple[str, Any]]:
        holder = getattr(sys.modules[module_name], "__dict__", {}).get(path)
        return list((_native.instance_dict(holder)[0] or {}).items())

    def _search(self, obj: Any) -> tuple[str, str] | None:
        """Where a library offers this class or function, under whatever name: looked for, a few times, then listed."""
        self._searches += 1
        if self._searches > _SEARCHES_MAX:
            return self._offers().get(id(obj))
        if _native.is_programs(obj, self.by_value):
            return None
        return _native.whereabouts(sys.modules, self._own, obj)

    def _of_instance(self, meta: type) -> tuple[str, str] | None:
        """A metaclass that no module offers (those of ctypes), through a library's class of it."""
        for module_name, path in self._offers().values():
            try:
                if type(follow(sys.modules[module_name], path)) is meta:
                    return module_name, f"{path}.__class__"
            except (AttributeError, KeyError):
                continue
        return None

    def _stood_at(self, module: Any, path: str, obj: Any) -> bool:
        """Is this the library's own function, in whose place the program has put another?

        The place leads to it while objects are rebuilt: what the program changed in libraries is put back last.
        """
        if isinstance(obj, BuiltinFunctionType):
            is_own = obj.__self__ is module and obj.__name__ == path
        else:
            is_own = isinstance(obj, FunctionType) and obj.__closure__ is None and _is_defined_at(module, path, obj)
        if not is_own:
            return False
        try:
            return _native.is_programs(follow(module, path), self.by_value)
        except AttributeError:
            return False

    def _offers(self) -> dict[int, tuple[str, str]]:
        """Every class and function in a library's namespace."""
        if self._offered is None:
            found: dict[int, tuple[str, str]] = {}
            own = {id(module) for module in self._own}
            for name, module in _modules():
                if id(module) not in own:
                    _native.name_callables(found, self._kept, name, module.__dict__, self.by_value)
            self._offered = found
        return self._offered


def import_named(module: str) -> Any:
    """The module of that name, imported if need be."""
    return sys.modules.get(module) or importlib.import_module(module)
