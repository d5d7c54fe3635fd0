"""What the program put into libraries or changed there: `builtins.shout = f`, patched methods, flags, registrations.

Kept are, in the namespaces of library modules, of their classes and of instances that they hold by name, one level into
dicts, lists and sets:
- what is the program's own: functions and classes it defines, wrappers of them, instances of its classes;
- whatever lies where the program's code says that it assigns it: `lib.Class.name = ...` (`capture.assignments`);
- likewise what its code assigns to a property or slot of such an instance: `mpmath.mp.dps = 50`;
- in modules and classes, simple values, and callables from elsewhere, at names that its code assigns to some object.
  Whether such a value is a change shows only beside a fresh import, which the restoring process has anyway: equal ones
  are left;
- in builtins, whatever a fresh interpreter does not have there: `gettext.install` puts a method of its own there.

Everything else in a library is as its import makes it. A picture taken at import was rejected: a program patches
right after importing, long before anything of ours could look, and hooking imports would show in every program.
"""

from __future__ import annotations

import functools
import sys
from contextlib import suppress
from types import MappingProxyType, ModuleType
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture import libraries, roots
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.capture.assignments import Assigned

_SIMPLE: Final = (type(None), bool, int, float, complex, str, bytes)

Change = tuple[str, str, str, Any]
"""Module, path of the class or instance in it ("" for the module itself), name, value."""

Element = tuple[str, str, str, Any, Any]
"""As a `Change`, for a dict, list or set at that place: its key or index (for a set the element), and what is there."""


def _properties(assigned: Assigned, names: set[str], own: set[int]) -> list[Change]:
    """Of a library's instances, what the program's code assigns where no namespace shows it."""
    wanted: dict[int, list[str]] = {}
    for owner, name in assigned.targets:
        if not issubclass(type(owner), type | ModuleType) and not _native.is_programs(owner, names):
            if name not in (_native.instance_dict(owner)[0] or ()):
                wanted.setdefault(id(owner), []).append(name)
    found: list[Change] = []
    for module, namespace in libraries.changeable(own) if wanted else ():
        for path, owner in list(namespace.items()):
            for name in wanted.pop(id(owner), ()):
                with suppress(Exception):  # what cannot be read was not assigned after all
                    found.append((module, path, name, getattr(owner, name)))
    return found


def _is_from_elsewhere(module: str, path: str, name: str, value: Any) -> bool:
    """Is this what says that it was defined at another place, a partial, or a mock, which says nothing?"""
    mock = sys.modules.get("unittest.mock")
    if isinstance(value, functools.partial) or (mock and issubclass(type(value), mock.NonCallableMock)):
        return True
    place = (getattr(value, "__module__", None), getattr(value, "__qualname__", None))
    return callable(value) and isinstance(place[1], str) and place != (module, f"{path}.{name}" if path else name)


def _differs(here: Any, saved: Any) -> bool:
    """Is what a fresh import gave another value? Callables are the same when they were defined at the same place."""
    if here is saved:
        return False
    if isinstance(saved, _SIMPLE):
        return type(here) is not type(saved) or repr(here) != repr(saved)  # which says that nan is nan
    place = (getattr(saved, "__module__", None), getattr(saved, "__qualname__", None))
    return place != (getattr(here, "__module__", None), getattr(here, "__qualname__", None))


def _owner(module_name: str, path: str) -> Any:
    module = sys.modules.get(module_name)
    return getattr(module, path, None) if path else module


def _namespace(owner: Any) -> dict[str, Any] | MappingProxyType[str, Any]:
    """Where its attributes lie, whatever its class says that they are; empty for what has none."""
    return vars(owner) if isinstance(owner, (type, ModuleType)) else _native.instance_dict(owner)[0] or {}


def _holder(owner: Any, key: str) -> Any:
    """The dict, list or set there. What a library copies for a class when something is told to that (yaml's loaders)
    is copied for it here, from the class that it inherits it from.
    """
    found = _namespace(owner).get(key)
    inherited: Any = getattr(owner, key, None) if isinstance(owner, type) else None
    if found is None and type(inherited) in (dict, list, set):
        found = inherited.copy()
        _assign(owner, key, found)
    return found


_ABSENT: Final = object()


class _LibraryChanges(Quiet):
    name = "library_changes"
    module = "builtins"

    def capture(self, before: None) -> dict[str, Any]:
        found = roots.find()
        survey = libraries.look(found)
        names = {module.__name__ for module in found.by_value} | {"__main__"}
        targets = {(id(owner), name) for owner, name in survey.assigned.targets}
        own: list[Change] = [("builtins", "", name, value) for name, value in libraries.installed().items()]
        candidates: list[Change] = []
        elements: list[Element] = []
        for module, path, key, value, places in survey.drifted:
            owner = _owner(module, path)
            if places is not None:
                is_set = isinstance(value, set)
                elements += [(module, path, key, place, place if is_set else value[place]) for place in places]
            elif (id(owner), key) in targets or _native.is_programs(value, names):
                own.append((module, path, key, value))
            elif not isinstance(owner, (type, ModuleType)):
                continue  # an instance's attributes change while the library works
            elif isinstance(value, _SIMPLE) or _is_from_elsewhere(module, path, key, value):
                candidates.append((module, path, key, value))
        properties = _properties(survey.assigned, names, {id(module) for module in found.by_value})
        return {"own": own, "candidates": candidates, "elements": elements, "properties": properties}

    def restore(self, state: dict[str, Any]) -> None:
        for module, path, key, value in state["candidates"]:
            owner = _owner(module, path)
            if owner is not None and _differs(vars(owner).get(key, _ABSENT), value):
                _assign(owner, key, value)
        for module, path, key, value in state["own"]:
            owner = _owner(module, path)
            if owner is not None:
                _assign(owner, key, value)
        for module, path, key, place, value in state["elements"]:
            holder = _holder(_owner(module, path), key)
            if isinstance(holder, dict):
                holder[place] = value
            elif isinstance(holder, set):
                holder.add(value)
            elif isinstance(holder, list) and not any(value is other for other in holder):
                holder.insert(place, value)
        for module, path, key, value in state["properties"]:
            with suppress(AttributeError, TypeError):
                setattr(_owner(module, path), key, value)


def _assign(owner: Any, key: str, value: Any) -> None:
    """As the program did; what refuses it now could not have been changed by the program either."""
    with suppress(AttributeError, TypeError):
        if isinstance(owner, type):
            type.__setattr__(owner, key, value)
        elif isinstance(owner, ModuleType):
            setattr(owner, key, value)
        else:
            _native.instance_fill(owner, {key: value})


ADAPTER = _LibraryChanges()
