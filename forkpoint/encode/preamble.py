"""What must be there before the program's objects are: import path, modules and sources; plain data, no pickle."""

from __future__ import annotations

import json
import linecache
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from forkpoint import _native
from forkpoint.encode.pods import PREAMBLE, StreamWriter, find, read_all
from forkpoint.errors import IntegrityError
from forkpoint.model import ChunkSink, ChunkSource, Pod


class ModuleFacts(NamedTuple):
    """How to make a by-value module again, empty. `spec_name` is None for a module without a spec.

    `name` is one that `sys.modules` has it under: two modules may both say of themselves that they are `plugin`.
    """

    name: str
    file: str | None
    package: str | None
    path: tuple[str, ...] | None
    spec_name: str | None
    spec_origin: str | None


class Preamble(NamedTuple):
    """`sources` maps file names to text, for linecache: tracebacks show lines without the program's files.

    `facts` are plain values that adapters make true of their libraries after the imports.
    """

    path: tuple[str, ...]
    cwd: str
    imports: tuple[str, ...]
    modules: tuple[ModuleFacts, ...]
    sources: Mapping[str, str]
    aliases: Mapping[str, str]
    python: str
    facts: Mapping[str, Any]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _name(module: ModuleType) -> str:
    own = module.__name__
    if sys.modules.get(own) is module:
        return own
    return next((key for key, loaded in list(sys.modules.items()) if loaded is module), own)


def _facts(module: ModuleType) -> ModuleFacts:
    spec = getattr(module, "__spec__", None)
    path = getattr(module, "__path__", None)
    return ModuleFacts(
        name=_name(module),
        file=_text(getattr(module, "__file__", None)),
        package=_text(getattr(module, "__package__", None)),
        path=tuple(str(entry) for entry in path) if path is not None else None,
        spec_name=_text(getattr(spec, "name", None)),
        spec_origin=_text(getattr(spec, "origin", None)),
    )


def _source(filename: str) -> str | None:
    entry = linecache.cache.get(filename)
    if entry is not None and len(entry) == 4:
        return "".join(entry[2])
    try:
        with open(filename, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _aliases(modules: Sequence[ModuleType]) -> dict[str, str]:
    """Other names under which `sys.modules` has the by-value modules."""
    names = [_name(module) for module in modules]
    found = _native.names_of(sys.modules, tuple(modules))
    return {key: names[at] for key, at in found if key != names[at]}


def cwd() -> str:
    """The working directory; "" where it has been removed."""
    try:
        return os.getcwd()
    except OSError:  # the directory was removed
        return ""


def write(modules: Sequence[ModuleType], imports: Iterable[str], facts: Mapping[str, Any], sink: ChunkSink) -> Pod:
    """Store the preamble as its pod."""
    sources: dict[str, str] = {}
    for module in modules:
        filename = _text(getattr(module, "__file__", None))
        text = _source(filename) if filename else None
        if filename and text is not None:
            sources[filename] = text
    kept: Mapping[Any, Any] = linecache.cache
    for filename, entry in list(kept.items()):
        # Later releases of 3.13 keep what `-c` runs by its code object.
        if len(entry) == 4 and isinstance(filename, str) and filename.startswith("<"):
            sources.setdefault(filename, "".join(entry[2]))
    preamble = Preamble(
        path=tuple(map(str, sys.path)),
        cwd=cwd(),
        imports=tuple(imports),
        modules=tuple(_facts(module) for module in modules),
        sources=sources,
        aliases=_aliases(modules),
        python=sys.version.partition(" ")[0],
        facts=facts,
    )
    writer = StreamWriter(PREAMBLE, sink)
    plain = {**preamble._asdict(), "modules": [module._asdict() for module in preamble.modules]}
    writer.write(json.dumps(plain).encode("ascii"))
    return writer.finish()


def read(pods: Sequence[Pod], source: ChunkSource) -> Preamble:
    """The preamble of a restore point; none of the program's modules is needed for it."""
    try:
        data: dict[str, Any] = json.loads(read_all(find(pods, PREAMBLE), source))
        modules = tuple(
            ModuleFacts(**{**facts, "path": tuple(facts["path"]) if facts["path"] is not None else None})
            for facts in data["modules"]
        )
        lists = {key: tuple(data[key]) for key in ("path", "imports")}
        return Preamble(**{**data, **lists, "modules": modules})
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"the preamble of the restore point cannot be read: {error}") from error
