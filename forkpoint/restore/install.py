"""Modules and paths of a restored process: what must be there before the first object is rebuilt."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import linecache
import os
import sys
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forkpoint.encode.unpickler import ModuleFacts, Preamble


def prepare(preamble: Preamble, cwd: str | None) -> None:
    """Import again what was imported, in that order; put empty modules in the place of the program's own.

    The program's own modules are never imported: their content comes from the restore point, not from source files,
    which need not exist here. A library that does not import now is met (and named) when an object needs it.
    """
    os.chdir(cwd or preamble.cwd)
    sys.path[:] = preamble.path
    for facts in preamble.modules:
        sys.modules[facts.name] = _empty(facts)
    for name in preamble.imports:
        if name not in sys.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    for filename, source in preamble.sources.items():
        lines = source.splitlines(keepends=True)
        linecache.cache[filename] = (len(source), None, lines, filename)


def _empty(facts: ModuleFacts) -> types.ModuleType:
    """A module that only knows where it came from."""
    module = types.ModuleType(facts.name)
    return module
