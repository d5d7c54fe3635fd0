"""A program as pods: one stream of all objects with one memo, and the large buffers beside it."""

from __future__ import annotations

import gc
import operator
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode import paths, preamble, texts
from forkpoint.encode.pods import OBJECTS, StreamWriter
from forkpoint.encode.reducers import FINISH, REGISTERED
from forkpoint.encode.session import Session
from forkpoint.encode.tombstones import inscribe
from forkpoint.encode.unframed import Unframed
from forkpoint.model import (
    UNNAMED,
    ChunkSink,
    Encoded,
    LibraryObjects,
    ProgramImage,
    Reducer,
    Saved,
    Tombstone,
    Variable,
)

SKIPPED_NAMES: Final = frozenset({"__builtins__", "__loader__", "__spec__", "__cached__"})
"""Names of a module's namespace that the restoring process makes."""

SOURCES: Final = "the sources and imports"
AROUND: Final = "what no variable holds"
"""Names of parts of a restore point, beside those of variables."""

_IN_PASSING: Final = frozenset({int, float, bool, complex, type(None), type(_native.NULL)})
"""Types of values that need no section of their own."""

Preview = Callable[[str, Any], Variable]


class _Pickler(pickle.Pickler):
    """The C pickler with the session's filter and reducers."""

    def __init__(self, file: Unframed, session: Session) -> None:
        self.persistent_id = session.filter  # type: ignore[method-assign]  # read by Pickler.__init__
        self.reducer_override = session.reduce  # type: ignore[method-assign]
        super().__init__(file, protocol=5)


def prepare() -> None:
    """In the program, once: what every child would have to import."""
    REGISTERED.load()


def encode(
    image: ProgramImage,
    *,
    named: LibraryObjects,
    reducers: Mapping[type, Reducer],
    sink: ChunkSink,
    opened: Mapping[int, tuple[str, int]] | None = None,
    excluded: Mapping[int, Any] | None = None,
    preview: Preview | None = None,
    unread: Sequence[tuple[Any, int | str]] = (),
) -> Encoded:
    """Store the image in `sink`; the pods that restore it.

    `named`: see `capture.libraries.named`. `reducers`: the adapters', by type. `opened`: paths and offsets by
    descriptor as they were at the fork, since they change. `excluded`: objects by id that become tombstones.
    `preview` makes the summaries of variables. `unread`: slots of frames and names of scripts that are saved after all
    else, so that what is found then, is found nowhere else (`ReduceContext.unread`).
    Never raises for an object that cannot be saved; raises `Refused` when a reducer says that here is no commit point.
    Dying inside leaves nothing but chunks that no manifest names.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        head = preamble.write(image.modules, image.imports, image.facts, sink)
        session = Session(image, named, reducers, sink, opened or {}, excluded or {})
        session.saved.append(Saved(SOURCES, head.name, 0))
        writer = StreamWriter(OBJECTS, sink)
        _native.call_deep(lambda: _dump(image, session, writer, unread))
        tombstones = _write_tombstones(image, session, writer)
        variables = _variables(image, preview) if preview is not None else ()
        pods = (head, writer.finish(), *(pod for _, pod in session.buffers))
        return Encoded(pods, tuple(session.buffers), tombstones, variables, tuple(session.saved))
    finally:
        if collecting:
            gc.enable()


def namespace_items(module: Any) -> dict[str, Any]:
    """What of a by-value module's namespace is saved, in its order; names the new process makes are None."""
    return {key: None if key in SKIPPED_NAMES else value for key, value in list(module.__dict__.items())}


def _dump(image: ProgramImage, session: Session, writer: StreamWriter, unread: Sequence[tuple[Any, int | str]]) -> None:
    """How strings are made; each variable; the image, in which those are known then; what was postponed while saving
    it, until nothing more is; then the same for unread slots: sections of one stream.
    """
    pickler = _Pickler(Unframed(writer.write), session)
    session.pickler = pickler
    pickler.dump(texts.interned)  # before it is used for the very names it is found by
    session.filter.divert_texts()
    namespaces = [(module, namespace_items(module)) for module in image.modules]
    session.look_for_identities([*(items for _, items in namespaces), image.stack, image.ambient])
    values = [(holder, key, holder[key]) for holder, key in unread]
    listed = {id(module.__dict__): items for module, items in namespaces}
    for holder, key in unread:
        holder[key] = listed.get(id(holder), holder)[key] = _native.NULL
    for value, name in paths.roots(image):
        if type(value) not in _IN_PASSING:
            session.saved.append(Saved(name, OBJECTS, writer.length))
            pickler.dump((value,))
    session.saved.append(Saved(AROUND, OBJECTS, writer.length))
    pickler.dump((namespaces, tuple(image.imports), image.stack, dict(image.ambient)))
    _dump_postponed(session)
    session.unread = True
    for holder, key, value in values:
        holder[key] = value
        session.later(FINISH, operator.setitem, holder, key, value)
    _dump_postponed(session)
    pickler.dump(None)


def _dump_postponed(session: Session) -> None:
    while session.postponed:
        section, session.postponed = session.postponed, []
        session.pickler.dump(section)


def _write_tombstones(image: ProgramImage, session: Session, writer: StreamWriter) -> tuple[Tombstone, ...]:
    """The last section: what each tombstone stands for, in the user's words."""
    lost = [obj for obj, _, _ in session.absent]
    found = paths.find(image, lost) if lost else {}
    entries = []
    tombstones = []
    for obj, stand_in, reason in session.absent:
        kind = stand_in.reduction[1][1]
        path = found.get(id(obj), UNNAMED)
        entries.append((inscribe, (stand_in, path, kind, reason)))
        tombstones.append(Tombstone(path, kind, reason))
    assert session.pickler is not None
    session.pickler.dump(entries)
    return tuple(tombstones)


def _variables(image: ProgramImage, preview: Preview) -> tuple[Variable, ...]:
    """Summaries of the program's variables: `__main__` without prefix, other modules with theirs."""
    result = []
    for module in image.modules:
        prefix = "" if module.__name__ == "__main__" else f"{module.__name__}."
        for name, value in namespace_items(module).items():
            if not name.startswith("__"):
                result.append(preview(f"{prefix}{name}", value))
    return tuple(result)
