"""What an import under way holds: the module's lock, held again by the thread that restores, which is the main thread,
and its spec and path, which are the module's own."""

from __future__ import annotations

import _thread
import sys
from typing import Any, Final

from forkpoint.encode import library
from forkpoint.encode.reducers import Context, reduces

_bootstrap: Final[Any] = sys.modules["_frozen_importlib"]
_external: Final[Any] = sys.modules["_frozen_importlib_external"]

_UNDER_WAY: Final = ("_initializing", "_uninitialized_submodules")
"""What a spec knows of imports that have begun."""


def module_lock(name: str, count: int) -> Any:
    """The lock of the module of this name, acquired that often (importlib._bootstrap, _ModuleLock)."""
    lock = _bootstrap._get_module_lock(name)
    for _ in range(count):
        lock.acquire()
    return lock


@reduces(_bootstrap._ModuleLock)
def _reduce_module_lock(obj: Any, context: Context) -> Any:
    """Its owner is a thread's number, which is another one in a new process."""
    count = obj.count if isinstance(obj.count, int) else len(obj.count)
    return module_lock, (obj.name, count if obj.owner == _thread.get_ident() else 0)


def module_spec(name: str) -> Any:
    """The spec of the module of this name."""
    return sys.modules[name].__spec__


@reduces(_bootstrap.ModuleSpec)
def _reduce_spec(obj: Any, context: Context) -> Any:
    """A program's module has been made again with its spec; of that, only how far the import is may be another."""
    name = obj.name
    if context.is_by_value(name) and getattr(sys.modules.get(name), "__spec__", None) is obj:
        return module_spec, (name,), {key: value for key, value in vars(obj).items() if key in _UNDER_WAY}
    return library.reduce_by_protocol(obj, context)


def module_path(name: str) -> Any:
    """The path of the namespace package of this name."""
    return sys.modules[name].__path__


@reduces(_external._NamespacePath)
def _reduce_namespace_path(obj: Any, context: Context) -> Any:
    """That of a program's package has been made again with it; it follows the paths of its parents."""
    name = obj._name
    if context.is_by_value(name) and getattr(sys.modules.get(name), "__path__", None) is obj:
        return module_path, (name,)
    return library.reduce_by_protocol(obj, context)
