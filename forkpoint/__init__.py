"""Durable, resumable, versioned Python programs: kill -9 one, and it goes on inside the loop it was in."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from forkpoint.api import checkpoint, exclude, load, log, on_restore, register, restored, start, stop
    from forkpoint.errors import (
        ForkpointError,
        ForkpointWarning,
        NotCapturedWarning,
        NotDurableWarning,
        NotResumableWarning,
        Refused,
        TombstoneError,
    )
    from forkpoint.point import Checkpoint

from forkpoint.snapshot import stdout as _stdout  # noqa: E402 - below the names for type checkers

__version__ = "0.1.0"

# From here on, what the program prints is counted: a checkpoint() much later has to know how much that was.
_stdout.install()

__all__ = [
    "Checkpoint",
    "ForkpointError",
    "ForkpointWarning",
    "NotCapturedWarning",
    "NotDurableWarning",
    "NotResumableWarning",
    "Refused",
    "TombstoneError",
    "checkpoint",
    "exclude",
    "load",
    "log",
    "on_restore",
    "register",
    "restored",
    "start",
    "stop",
]

_HOMES = {"Checkpoint": "point"} | {
    name: "errors" if name[0].isupper() else "api" for name in __all__ if name != "Checkpoint"
}


def __getattr__(name: str) -> object:
    # Loaded on first use: the committer imports this package for every commit and needs none of the verbs.
    if name not in _HOMES:
        raise AttributeError(f"module 'forkpoint' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"forkpoint.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
