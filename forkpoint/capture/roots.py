"""Which modules and names are the program's state, and which are libraries that will be imported again."""

from __future__ import annotations

import functools
import importlib.machinery
import os
import site
import sys
import sysconfig
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from forkpoint import _native

_OWN_PACKAGE: Final = "forkpoint"

_MADE_BY_C: Final = ("_cython_", "cython_runtime", "swig_runtime_data")
"""Modules that the extension modules of Cython and SWIG make by hand."""

_CFFI: Final = "_cffi_backend"
"""Makes modules by hand too, for libraries: cryptography's `_openssl` has an `ffi` of its."""


@dataclass(frozen=True, slots=True)
class Roots:
    """`by_value`: modules saved with all they hold. `imports`: libraries by name, in the order they were imported.
    `fingerprint`: of `sys.modules` as it was; 0 where that was not asked.
    """

    by_value: tuple[ModuleType, ...]
    imports: tuple[str, ...]
    fingerprint: int = field(default=0, compare=False)


_sorted: dict[str, tuple[int, bool, bool]] = {}
"""name -> (id of the module, is it the program's, can it be imported): what `find` has looked at before."""


@dataclass(slots=True)
class _Last:
    """What `find` answered last, by names (no module is kept alive by it), and for which names and modules."""

    asked: int = 0
    by_value: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    held: Roots | None = None


_last: Final = _Last()


def find() -> Roots:
    """Sort `sys.modules` into the program's own modules and libraries.

    Called in the program, so that each module is looked at once and not anew in every child. A few microseconds when
    nothing was imported since.
    """
    if _last.held is not None:
        return _last.held
    asked = _native.fingerprint(sys.modules)
    if asked != _last.asked:
        _sort()
        _last.asked = asked
    return Roots(tuple(sys.modules[name] for name in _last.by_value), _last.imports, _last.asked)


def hold(found: Roots) -> None:
    """In the child: `find` answers this from here on. What we import ourselves is nothing of the program's, and
    going through all modules takes a millisecond where each is on a page of its own.
    """
    _last.held = found


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
    if top == _OWN_PACKAGE or not _is_of_a_known_class(name, module, libraries):
        return False
    spec = getattr(module, "__spec__", None)
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        if file.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)) or _is_library_path(file, libraries):
            return False
    if spec is None:
        if name.startswith(_MADE_BY_C) or type(vars(module).get("ffi")).__module__ == _CFFI:
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


def _is_of_a_known_class(name: str, module: Any, libraries: tuple[str, ...]) -> bool:
    """Is it a plain module, or of a class that the program defines: `sys.modules[__name__].__class__ = Lazy`?"""
    kind = type(module)
    if kind is ModuleType or not issubclass(kind, ModuleType):
        return kind is ModuleType
    defining = sys.modules.get(kind.__module__)
    return defining is module or (type(defining) is ModuleType and _is_program(kind.__module__, defining, libraries))


def _can_import(name: str, module: Any) -> bool:
    if name == "__mp_main__" or name.partition(".")[0] == _OWN_PACKAGE:
        return False
    spec = getattr(module, "__spec__", None)
    return spec is not None and getattr(spec, "name", None) == name
