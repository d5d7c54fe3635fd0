"""Which modules and names are the program's state, and which are libraries that will be imported again."""

from __future__ import annotations

import functools
import importlib.machinery
import os
import site
import sys
import sysconfig
import types
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture import assignments

_OWN_PACKAGE: Final = "forkpoint"

_CYTHON_PREFIXES: Final = ("_cython_", "cython_runtime")
"""Modules that Cython's extension modules make by hand."""

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


@dataclass(frozen=True, slots=True)
class Roots:
    """`by_value`: modules saved with all they hold. `imports`: libraries by name, in the order they were imported."""

    by_value: tuple[ModuleType, ...]
    imports: tuple[str, ...]


_sorted: dict[str, tuple[int, bool, bool]] = {}
"""name -> (id of the module, is it the program's, can it be imported): what `find` has looked at before."""


@dataclass(slots=True)
class _Last:
    """What `find` answered last, by names (no module is kept alive by it), and for which names and modules."""

    asked: int = 0
    by_value: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


_last: Final = _Last()


def find() -> Roots:
    """Sort `sys.modules` into the program's own modules and libraries.

    Called in the program, so that each module is looked at once and not anew in every child. A few microseconds when
    nothing was imported since.
    """
    asked = _native.fingerprint(sys.modules)
    if asked != _last.asked:
        _sort()
        _last.asked = asked
    return Roots(tuple(sys.modules[name] for name in _last.by_value), _last.imports)


def _sort() -> None:
    libraries = _library_directories()
    by_value: dict[int, str] = {}
    imports: list[str] = []
    for name, module in list(sys.modules.items()):
        known = _sorted.get(name)
        if known is None or known[0] != id(module):
            own = name == "__main__" or _is_program(name, module, libraries)
            known = _sorted[name] = (id(module), own, not own and _can_import(name, module))
        if known[1]:
            by_value.setdefault(id(module), name)
        elif known[2]:
            imports.append(name)
    _last.by_value, _last.imports = tuple(by_value.values()), tuple(imports)


@functools.cache
def _library_directories() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += site.getsitepackages() if hasattr(site, "getsitepackages") else []
    found.append(site.getusersitepackages())
    found += [sysconfig.get_paths(vars={"base": sys.base_prefix, "platbase": sys.base_prefix})["stdlib"]]
    return tuple(sorted({os.path.realpath(path) + os.sep for path in found if path}))


def _is_library_path(path: str, libraries: tuple[str, ...]) -> bool:
    if path.startswith(libraries):  # nearly all are, and following links costs more than all the rest
        return True
    real = os.path.realpath(path)
    parts = real.split(os.sep)
    return real.startswith(libraries) or "site-packages" in parts or "dist-packages" in parts


def _is_program(name: str, module: Any, libraries: tuple[str, ...]) -> bool:
    top = name.partition(".")[0]
    if top == _OWN_PACKAGE or type(module) is not ModuleType:
        return False
    spec = getattr(module, "__spec__", None)
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        if file.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)) or _is_library_path(file, libraries):
            return False
    if spec is None:
        if name.startswith(_CYTHON_PREFIXES):
            return False
        # Made by hand. Libraries do that beneath their own package (six.moves, and torch.compile from files that it
        # writes anywhere); the program at the top or its own.
        parent = sys.modules.get(top)
        if parent is None:
            return isinstance(file, str)
        return parent is module or _is_program(top, parent, libraries)
    if isinstance(file, str):
        return True
    if spec.origin in ("built-in", "frozen") or not hasattr(module, "__path__"):
        return False
    return all(not _is_library_path(path, libraries) for path in module.__path__)


def _can_import(name: str, module: Any) -> bool:
    if name == "__mp_main__" or name.partition(".")[0] == _OWN_PACKAGE:
        return False
    spec = getattr(module, "__spec__", None)
    return spec is not None and getattr(spec, "name", None) == name


_EVERYWHERE: Final = {"__builtins__", "__spec__", "__loader__", "__path__", "__warningregistry__"}
"""Names in every module's namespace, which name nothing of its own."""


_MADE_ON_DEMAND: Final = (("threadpoolctl", "ThreadpoolController"), ("rich.console", "Console"))
"""Classes of objects that libraries keep in a global once they have needed one: a fresh import has none to be named."""


def _not_named() -> set[type]:
    """Types whose objects are saved by what they are wherever they are found."""
    found = {getattr(sys.modules.get(module), name, None) for module, name in _MADE_ON_DEMAND}
    return _ATOMS | {kind for kind in found if isinstance(kind, type)}


_kept: list[object] = []
"""What `named` has named: alive for as long as the ids stand for it, which in a child is to its end."""


def named(roots: Roots) -> dict[int, tuple[str, str]]:
    """id -> (module, dotted path) of what libraries own: objects of their modules' and classes' namespaces.

    Functions, classes and modules are not in it (they carry their own names), nor are atoms, nor what the program put
    into a library: an object of a class, or a function, that a by-value module defines, or what its code assigns there.
    """
    program = {module.__name__ for module in roots.by_value} | {"__main__"}
    own = {id(module) for module in roots.by_value}
    passed_over = _not_named()
    result: dict[int, tuple[str, str]] = {}
    _kept.clear()
    entries: list[tuple[str, Any]] = list(sys.modules.items())  # which may hold anything
    libraries = [
        (name, vars(module)) for name, module in entries if isinstance(module, ModuleType) and id(module) not in own
    ]
    for name, namespace in libraries:
        if name == "sys":
            offered = {key: value for key, value in namespace.items() if key in _SYS_NAMES}
            _native.name_objects(result, _kept, name, offered, passed_over, program, _EVERYWHERE)
            _name_standard_streams(result)
        else:
            _native.name_objects(result, _kept, name, namespace, passed_over, program, _EVERYWHERE)
    for name, namespace in libraries:
        _native.name_class_objects(result, _kept, name, namespace, passed_over, program, _EVERYWHERE)
    _leave_assigned(result, roots)
    return result


def _leave_assigned(result: dict[int, tuple[str, str]], roots: Roots) -> None:
    """What lies in a library because the program's code puts it there: its name would lead nowhere after a restore."""
    for owner, name in assignments.find(roots.by_value).targets:
        if not issubclass(type(owner), ModuleType | type):
            continue  # instances' attributes have no names; and not isinstance: asking a tombstone is touching it
        value = vars(owner).get(name)
        place = result.get(id(value))
        if place is not None and place[1].rpartition(".")[2] == name and owner is _at(place):
            del result[id(value)]


def _at(place: tuple[str, str]) -> Any:
    """The module or class that offers what has this name."""
    loaded = sys.modules.get(place[0])
    path = place[1].rpartition(".")[0]
    return getattr(loaded, path, None) if path else loaded


def _name_standard_streams(result: dict[int, tuple[str, str]]) -> None:
    """The process's own descriptors 0 to 2 are the new process's after a restore, whatever object wraps them."""
    for name in ("stdin", "stdout", "stderr"):
        for stream_name in (f"__{name}__", name):
            stream = getattr(sys, stream_name)
            path = stream_name
            while stream is not None and _is_descriptor(stream, name):
                result.setdefault(id(stream), ("sys", path))
                attribute = "buffer" if hasattr(stream, "buffer") else "raw"
                stream = getattr(stream, attribute, None)
                path = f"{path}.{attribute}"


def _is_descriptor(stream: Any, name: str) -> bool:
    if type(stream).__module__ not in ("_io", "io") and not type(stream).__module__.startswith(_OWN_PACKAGE):
        return False
    try:
        return bool(stream.fileno() == ("stdin", "stdout", "stderr").index(name))
    except (OSError, ValueError, AttributeError):
        return False
