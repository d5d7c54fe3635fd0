"""Modules and paths of a restored process: what must be there before the first object is rebuilt."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import io
import linecache
import os
import sys
import types
import zipimport
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forkpoint.encode.preamble import ModuleFacts, Preamble


def prepare(preamble: Preamble, cwd: str | None) -> None:
    """Import again what was imported, in that order; put empty modules in the place of the program's own.

    The program's own modules are never imported: their content comes from the restore point, not from source files,
    which need not exist here. A library that does not import now is met, and named, when an object needs it.
    Raises OSError when the working directory is not there.
    """
    os.chdir(cwd or preamble.cwd)
    sys.path[:] = preamble.path
    sys.modules.update(_empty_modules(preamble))
    _spread_namespaces(preamble)
    with _unheard():
        for name in preamble.imports:
            if name not in sys.modules:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
    for filename, source in preamble.sources.items():
        # Without a modification time linecache never asks the file system: the text is the one that ran.
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """What libraries print while they are imported was printed when the program imported them.

    The stream stays what it is, also for a library that keeps it, or its `write`, or asks whether it is a terminal.
    """
    stream, importing = sys.stdout, True
    if type(stream) is not io.TextIOWrapper:
        yield
        return
    write = stream.write
    stream.write = lambda text: len(text) if importing else write(text)  # type: ignore[method-assign]
    try:
        yield
    finally:
        importing = False
        del stream.write


@contextlib.contextmanager
def beside(preamble: Preamble) -> Iterator[None]:
    """For the length of a `with`, `sys.modules` has the restore point's own modules, empty, instead of the program's.

    Reading an old version must not touch the running program; other threads that import meanwhile see the old one.
    """
    old = _empty_modules(preamble)
    current = {name: sys.modules.get(name) for name in old}
    sys.modules.update(old)
    try:
        _spread_namespaces(preamble)
        yield
    finally:
        for name, module in current.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _empty_modules(preamble: Preamble) -> dict[str, types.ModuleType]:
    """The program's own modules, under all their names."""
    modules = {facts.name: _empty(facts) for facts in preamble.modules}
    return modules | {alias: modules[name] for alias, name in preamble.aliases.items()}


def _spread_namespaces(preamble: Preamble) -> None:
    """Packages without a file get the loader and the path that go with that: those follow their parents' paths, so the
    parents are in `sys.modules`, and come first.
    """
    find: Any = importlib.machinery.PathFinder
    for facts in sorted(preamble.modules, key=lambda facts: facts.name):
        if facts.file is None and facts.path is not None:
            module: Any = sys.modules[facts.name]
            loader: Any = importlib.machinery.NamespaceLoader(facts.name, list(facts.path), find._get_spec)
            module.__loader__, module.__path__ = loader, loader._path
            if getattr(module, "__spec__", None) is not None:
                module.__spec__.loader, module.__spec__.submodule_search_locations = loader, loader._path


def _empty(facts: ModuleFacts) -> types.ModuleType:
    """A module that only knows where it came from."""
    module = types.ModuleType(facts.name)
    known: dict[str, Any] = {"__package__": facts.package, "__builtins__": sys.modules["builtins"]}
    if facts.file is not None:
        known |= {"__file__": facts.file, "__loader__": _loader(facts, facts.file)}
    if facts.path is not None:
        known["__path__"] = list(facts.path)
    if facts.spec_name is not None:
        spec = importlib.machinery.ModuleSpec(
            facts.spec_name, known.get("__loader__"), origin=facts.spec_origin, is_package=facts.path is not None
        )
        spec.has_location = facts.spec_origin is not None
        spec._initializing = False  # type: ignore[attr-defined]  # as importlib leaves it; `encode.imports` knows more
        known["__spec__"] = spec
    module.__dict__.update(known)
    return module


def _loader(facts: ModuleFacts, file: str) -> Any:
    """What reads a module's source and the files beside it, in a folder or in an archive."""
    if file.endswith(tuple(importlib.machinery.BYTECODE_SUFFIXES)):
        return importlib.machinery.SourcelessFileLoader(facts.name, file)
    folder = os.path.dirname(file)
    archive = folder
    while archive and not os.path.exists(archive):
        archive = os.path.dirname(archive)
    if os.path.isfile(archive):
        with contextlib.suppress(zipimport.ZipImportError):
            return zipimport.zipimporter(folder if facts.path is None else os.path.dirname(folder))
    return importlib.machinery.SourceFileLoader(facts.name, file)
