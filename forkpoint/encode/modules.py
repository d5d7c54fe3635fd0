"""Modules by name, and their namespaces: the very dict of the restored module. Unknown modules by value."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from forkpoint import _native
from forkpoint.encode import tombstones
from forkpoint.encode.names import follow, import_named, leads_to
from forkpoint.encode.reducers import Context, reduces


def module(name: str) -> Any:
    """The module: made by the preamble when it is the program's, imported when it is a library's."""
    try:
        return import_named(name)
    except Exception as error:
        return tombstones.make(name, "module", f"importing it failed: {error}")


def namespace(name: str) -> dict[str, Any]:
    """The module's own `__dict__`."""
    return import_named(name).__dict__  # type: ignore[no-any-return]


def library_object(module_name: str, path: str) -> Any:
    """What a library owns, found again by its path; a tombstone when this version of it has none."""
    try:
        found = follow(import_named(module_name), path)
        if found is None:  # which is never named: the library makes it when it first needs it
            raise LookupError("nothing is there yet")
        return found
    except Exception as error:
        return tombstones.make(f"{module_name}.{path}", "object of a library", f"looking it up failed: {error}")


def by_name(obj: Any, path: tuple[str, str]) -> Any:
    """How to save a library's function or class: as pickle does when it carries its own path and is still there."""
    if path == (obj.__module__, obj.__qualname__) and leads_to(sys.modules[path[0]], path[1], obj):
        return NotImplemented
    return library_object, path


def fresh_module(kind: type[ModuleType]) -> ModuleType:
    """An empty module that is in no table of modules."""
    return ModuleType.__new__(kind)


@reduces(ModuleType, subclasses=True)
def _reduce_module(obj: ModuleType, context: Context) -> Any:
    attributes = ModuleType.__getattribute__(obj, "__dict__")
    name = context.namespace_owner(attributes)
    if name is not None:
        return module, (name,)
    parent, _, child = str(attributes.get("__name__")).rpartition(".")
    if parent in sys.builtin_module_names and leads_to(sys.modules.get(parent), child, obj):  # sys.monitoring
        return library_object, (parent, child)
    return fresh_module, (type(obj),), attributes, None, None, _native.module_adopt
