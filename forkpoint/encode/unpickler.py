"""Pods as a program again: objects into the modules that the preamble made."""

from __future__ import annotations

import gc
import io
import pickle
import warnings
from collections.abc import Sequence
from typing import Any

from forkpoint import _native
from forkpoint.encode import preamble
from forkpoint.encode.pickler import SKIPPED_NAMES
from forkpoint.encode.pods import OBJECTS, PodBuffer, StreamReader, by_name, find
from forkpoint.encode.session import set_buffers
from forkpoint.model import ChunkSource, Pod, ProgramImage


class Unpickler(pickle.Unpickler):
    """The C unpickler: a persistent id is the object itself."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self.persistent_load = _native.itself  # type: ignore[method-assign]  # read by Unpickler.__init__
        super().__init__(stream)


def decode_preamble(pods: Sequence[Pod], source: ChunkSource) -> preamble.Preamble:
    """What must be set up first: sys.path, imports, empty by-value modules, sources."""
    return preamble.read(pods, source)


def decode(pods: Sequence[Pod], source: ChunkSource, kind: type[Unpickler] = Unpickler) -> ProgramImage:
    """Rebuild all objects and fill the by-value modules, which must be in `sys.modules` already.

    Ambient state is returned, not put back. Raises IntegrityError for damaged chunks before an object of them is
    built; anything else raised leaves the modules half filled, and the process must not go on.
    """
    collecting = gc.isenabled()
    gc.disable()
    buffers = by_name(pods)
    set_buffers(lambda name: PodBuffer(buffers[name], source))
    shown = list(warnings.filters)
    warnings.simplefilter("ignore")  # what libraries say of old ways to make an object, they said when it was made
    try:
        return _read(pods, source, kind)
    finally:
        warnings.filters[:] = shown  # type: ignore[index]  # the same list: it may be what a saved name leads to
        set_buffers(None)
        if collecting:
            gc.enable()


def _read(pods: Sequence[Pod], source: ChunkSource, kind: type[Unpickler]) -> ProgramImage:
    """The sections of the stream, in the order they were written."""
    stream = io.BufferedReader(StreamReader(find(pods, OBJECTS), source), 1 << 16)
    unpickler = kind(stream)
    unpickler.load()  # the first section names what strings are made with
    while len(section := unpickler.load()) == 1:
        pass  # a variable, which the image refers to
    namespaces, imports, stack, ambient = section
    postponed: list[tuple[int, Any, tuple[Any, ...]]] = []
    while (section := unpickler.load()) is not None:
        postponed += section
    for inscribe, arguments in unpickler.load():
        inscribe(*arguments)
    for module, items in namespaces:
        _fill_module(module, items)
    _finish(postponed)
    return ProgramImage([module for module, _ in namespaces], imports, stack, ambient)


def _fill_module(module: Any, items: dict[str, Any]) -> None:
    """The saved namespace in its order, with what this process made for it already."""
    namespace = module.__dict__
    made = {name: namespace[name] for name in SKIPPED_NAMES if name in namespace}
    namespace.clear()
    for key, value in items.items():
        if key not in SKIPPED_NAMES:
            namespace[key] = value
        elif key in made:
            namespace[key] = made.pop(key)
    namespace.update(made)


def _finish(postponed: list[tuple[int, Any, tuple[Any, ...]]]) -> None:
    """Phase by phase; within one the last postponed first, since what is found inside a key comes after its holder."""
    for phase in sorted({entry[0] for entry in postponed}):
        for entry in reversed(postponed):
            if entry[0] == phase:
                entry[1](*entry[2])
