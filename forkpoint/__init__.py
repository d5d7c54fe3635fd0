"""Durable, resumable, versioned Python programs: kill -9 one, and it goes on inside the loop it was in."""

from forkpoint.api import checkpoint, exclude, load, log, on_restore, register, restored, start, stop
from forkpoint.point import Checkpoint
from forkpoint.errors import (
    ForkpointError,
    ForkpointWarning,
    NotCapturedWarning,
    NotDurableWarning,
    NotResumableWarning,
    Refused,
    TombstoneError,
)

__version__ = "0.1.0"

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
