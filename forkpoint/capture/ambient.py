"""State that lives outside the object graph: read at a commit, put back last. One adapter file per library.

A library the program has not imported is never imported here: its adapter's file is not even loaded.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Collection, Mapping
from types import CodeType, FrameType
from typing import Any

from forkpoint.capture.adapters import EARLY, FORKING, LIBRARIES
from forkpoint.errors import ForkpointError, RestoreFailed
from forkpoint.model import Adapter, Reducer

_loaded: dict[str, Adapter] = {}


def _load(name: str) -> Adapter:
    if name not in _loaded:
        _loaded[name] = importlib.import_module(f"forkpoint.capture.adapters.{name}").ADAPTER
    return _loaded[name]


def adapters() -> tuple[Adapter, ...]:
    """The adapters of all libraries that are loaded, in the order of restoring.

    Call it in the program (it may import adapter files the first time a library is seen), not first in the child.
    """
    return tuple(_load(name) for name, library in LIBRARIES.items() if library in sys.modules)


def reducers() -> dict[type, Reducer]:
    """How the loaded libraries' types are saved: by exact type and, failing that, along the MRO."""
    table: dict[type, Reducer] = {}
    for adapter in adapters():
        table.update(adapter.reducers())
    return table


def before_fork() -> dict[str, Any]:
    """Read, in the program's main thread, what a forked child or another thread would see differently.

    Microseconds per adapter. Raises errors.Refused where the state cannot be saved at this moment.
    """
    return {adapter.name: adapter.before_fork() for adapter in adapters()}


def capture(before: Mapping[str, Any]) -> dict[str, Any]:
    """All ambient state by adapter name, to be saved in the same stream as the objects. Called in the child.

    `before` is what `before_fork` returned. Raises errors.Refused where the state cannot be saved at this moment;
    any other failure names its adapter, since a restore point without it would go on with other random numbers
    or settings and nobody would notice.
    """
    state: dict[str, Any] = {}
    for name, earlier in before.items():
        try:
            state[name] = _load(name).capture(earlier)
        except ForkpointError:
            raise
        except Exception as error:
            error.add_note(f"while reading ambient state: {name}")
            raise
    return state


def facts() -> dict[str, Any]:
    """What must be true of libraries before any object is rebuilt, as plain values for the preamble.

    For example: torch replaces the `step` of optimizer classes when the first instance is made, so a saved
    reference to `Adam.step` means the replaced one.
    """
    found: dict[str, Any] = {}
    for adapter in adapters():
        ask = getattr(adapter, "facts", None)
        if ask is not None and (value := ask()):
            found[adapter.name] = value
    return found


def prepare(found: Mapping[str, Any], *, early: bool = False) -> None:
    """Make true what `facts` found: `early` what imports look at, then the rest, before the first object is rebuilt."""
    for name in LIBRARIES:
        if name in found and (name in EARLY) is early:
            _load(name).prepare(found[name])  # type: ignore[attr-defined]  # who states facts can prepare them


def restore(state: Mapping[str, Any], *, skip: Collection[str] = ()) -> None:
    """Put all ambient state back, in order, once every object is. `skip` names adapters the user overrode.

    Raises RestoreFailed naming the adapter: going on with half of the state would be a silent difference.
    """
    for name in LIBRARIES:
        if name in state and name not in skip:
            try:
                _load(name).restore(state[name])
            except ForkpointError:
                raise
            except Exception as error:
                raise RestoreFailed(f"could not put back ambient state: {name}: {error!r}") from error


def before_program_forks(caller: FrameType) -> None:
    """The program forks by itself, in `caller`: adapters that care (`FORKING`) see it. Never raises."""
    for name in FORKING:
        if LIBRARIES[name] in sys.modules:
            with contextlib.suppress(Exception):
                _load(name).before_program_forks(caller)  # type: ignore[attr-defined]  # FORKING says that it can


def children() -> frozenset[int]:
    """Ids of live child processes that adapters start again in a restored process."""
    found: set[int] = set()
    for name in FORKING:
        if name in _loaded:
            found.update(_loaded[name].children())  # type: ignore[attr-defined]
    return frozenset(found)


def inside() -> tuple[CodeType, ...]:
    """Functions of libraries that no commit may be inside of, since what they do has halves."""
    return tuple(code for adapter in _loaded.values() for code in getattr(adapter, "inside", ()))


def unfinished() -> list[Any]:
    """What to ask of each variable before a fork (`capture.unfinished`): adapters know what can be halfway."""
    return [adapter.unfinished for adapter in _loaded.values() if hasattr(adapter, "unfinished")]


def standing() -> str:
    """What keeps any commit from being taken now, wherever in its stack the program is; "" for nothing known.

    It says more than what is in the way at one place. Asked at any moment, so adapters answer it without a side effect.
    """
    answers = (adapter.standing() for adapter in _loaded.values() if hasattr(adapter, "standing"))
    return next(filter(None, answers), "")
