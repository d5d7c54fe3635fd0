"""Which modules and names are the program's state, and which are libraries that will be imported again."""

from __future__ import annotations

import importlib.machinery
import os
import site
import sys
import sysconfig
import types
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

_OWN_PACKAGE: Final = "forkpoint"

_CYTHON_PREFIXES: Final = ("_cython_", "cython_runtime")
"""Modules that Cython's extension modules make by hand."""

_ATOMS: Final = frozenset(
    {
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
)
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


def find() -> Roots:
    """Sort `sys.modules` into the program's own modules and libraries."""
    libraries = _library_directories()
    by_value: list[ModuleType] = []
    imports: list[str] = []
    for name, module in list(sys.modules.items()):
        if name == "__main__":
            by_value.append(module)
        elif _is_program(name, module, libraries):
            if not any(module is known for known in by_value):
                by_value.append(module)
        elif _can_import(name, module):
            imports.append(name)
    return Roots(tuple(by_value), tuple(imports))


def _library_directories() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += site.getsitepackages() if hasattr(site, "getsitepackages") else []
    found.append(site.getusersitepackages())
    found += [sysconfig.get_paths(vars={"base": sys.base_prefix, "platbase": sys.base_prefix})["stdlib"]]
    return tuple(sorted({os.path.realpath(path) + os.sep for path in found if path}))


def _is_library_path(path: str, libraries: tuple[str, ...]) -> bool:
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
        if file.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)):
            return False
        return not _is_library_path(file, libraries)
    if spec is None:
        if name.startswith(_CYTHON_PREFIXES):
            return False
        # Made by hand. Libraries do that beneath their own package (six.moves); the program at the top or its own.
        parent = sys.modules.get(top)
        return parent is module or (parent is not None and _is_program(top, parent, libraries))
    if spec.origin in ("built-in", "frozen") or not hasattr(module, "__path__"):
        return False
    return all(not _is_library_path(path, libraries) for path in module.__path__)


def _can_import(name: str, module: Any) -> bool:
    if name == "__mp_main__" or name.partition(".")[0] == _OWN_PACKAGE:
        return False
    spec = getattr(module, "__spec__", None)
    return spec is not None and getattr(spec, "name", None) == name


def named(roots: Roots) -> dict[int, tuple[str, str]]:
    """id -> (module, dotted path) of what libraries own: objects of their modules' and classes' namespaces.

    Functions, classes and modules are not in it (they carry their own names), nor are atoms, nor what the program put
    into a library: an object of a class, or a function, that a by-value module defines.
    """
    mine = {module.__name__ for module in roots.by_value} | {"__main__"}
    result: dict[int, tuple[str, str]] = {}
    classes: list[tuple[str, str, type]] = []
    own = {id(module) for module in roots.by_value}
    entries: list[tuple[str, Any]] = list(sys.modules.items())
    for name, module in entries:
        if not isinstance(module, ModuleType) or id(module) in own:
            continue
        path_filter = _SYS_NAMES if name == "sys" else None
        namespace = vars(module)
        for key, value in list(namespace.items()):
            if path_filter is not None and key not in path_filter:
                continue
            kind = type(value)
            if kind in _ATOMS or kind is ModuleType:
                continue
            if issubclass(kind, type):
                if value.__module__ == name:
                    classes.append((name, key, value))
                continue
            if kind is types.FunctionType or kind is types.BuiltinFunctionType:
                continue
            if _names_itself(key) and not _is_mine(value, kind, mine):
                result.setdefault(id(value), (name, key))
        if name == "sys":
            _name_standard_streams(result)
    _name_class_attributes(classes, mine, result)
    return result


def _names_itself(key: Any) -> bool:
    return type(key) is str and key not in ("__builtins__", "__spec__", "__loader__", "__path__", "__warningregistry__")


def _is_mine(value: Any, kind: type, mine: Iterable[str]) -> bool:
    if kind.__module__ in mine:
        return True
    function = value.__func__ if kind is types.MethodType else value
    return type(function) is types.FunctionType and function.__module__ in mine


def _name_class_attributes(
    classes: list[tuple[str, str, type]], mine: set[str], result: dict[int, tuple[str, str]]
) -> None:
    for module, path, cls in classes:
        for key, value in list(vars(cls).items()):
            kind = type(value)
            if kind in _ATOMS or kind is types.FunctionType or kind is types.BuiltinFunctionType or kind is dict:
                if kind is not dict or key.startswith("__"):
                    continue
            if issubclass(kind, type | ModuleType) or not _names_itself(key):
                continue
            if not _is_mine(value, kind, mine):
                result.setdefault(id(value), (module, f"{path}.{key}"))


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
