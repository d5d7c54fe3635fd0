"""What a library makes when it is first needed, and keeps under a name that is None until then.

matplotlib's `Path._unit_circle` is one: every round marker holds it, and in a new process nobody has asked for it. Such
an object is saved beside its name. The restored program finds it where its library would look for it, or, where the
library has made its own by then, has that one.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode import tombstones
from forkpoint.encode.library import set_state
from forkpoint.encode.modules import library_object
from forkpoint.encode.names import follow, import_named

_STORES: Final = frozenset({"STORE_ATTR", "STORE_GLOBAL"})

_made: dict[int, Any] = {}
"""What `make` has made and not found, by id: only these are given the state that was saved."""


@functools.cache
def is_made_late(module_name: str, path: str) -> bool:
    """Does a function of that module, or of that class in it or a base of that, assign what lies at this path?"""
    owner_path, _, name = path.rpartition(".")
    module = sys.modules.get(module_name)
    owner = getattr(module, owner_path, None) if owner_path else module
    holders = owner.__mro__ if isinstance(owner, type) else (owner,)
    return any(_stores(code, name) for holder in holders for code in _native.codes_naming(holder, name))


def _stores(code: CodeType, name: str) -> bool:
    return any(step.opname in _STORES and step.argval == name for step in dis.get_instructions(code))


def reduce(path: tuple[str, str], value: Any) -> Any:
    """How to save what lies at `path` and is reduced to `value` elsewhere; by name alone where that is all there is."""
    if not isinstance(value, tuple) or len(value) < 2 or any(part is not None for part in value[3:5]):
        return library_object, path
    function, arguments, *rest = value
    state, _, _, setter = (*rest, None, None, None, None)[:4]
    return make, (*path, function, arguments), (state, setter), None, None, fill


def make(module_name: str, path: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """What the library has there, or else the object as it was saved, which the library has from now on."""
    owner_path, _, name = path.rpartition(".")
    try:
        owner = import_named(module_name)
        owner = follow(owner, owner_path) if owner_path else owner
        found = getattr(owner, name, None)
    except Exception as error:
        return tombstones.make(f"{module_name}.{path}", "object of a library", f"looking it up failed: {error}")
    if found is not None:
        return found
    made = function(*arguments)
    _made[id(made)] = made
    setattr(owner, name, made)
    return made


def fill(obj: Any, whole: tuple[Any, Callable[..., Any] | None]) -> None:
    """The state of what was made here."""
    state, setter = whole
    if _made.pop(id(obj), None) is not None and state is not None:
        (setter or set_state)(obj, state)
