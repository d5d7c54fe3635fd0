"""What a program has told forkpoint about itself: callbacks, adapters for its classes, exclusions.

Part of every restore point, so that a restored program has told the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forkpoint.model import Reducer

after_restore: list[Callable[[], object]] = []
"""Called in order in a restored process, once all state is back."""

adapters: dict[type, Reducer] = {}
"""How instances of a class are saved, by `forkpoint.register`."""

excluded_paths: list[str] = []
"""Paths (`trainer.cache`) that become tombstones."""

excluded_objects: list[Any] = []
"""Objects that become tombstones wherever they are reached."""


def capture() -> dict[str, Any]:
    """All of it, as something picklable."""
    return {
        "after_restore": list(after_restore),
        "adapters": dict(adapters),
        "excluded_paths": list(excluded_paths),
        "excluded_objects": list(excluded_objects),
    }


def restore(state: dict[str, Any]) -> None:
    """Put back what `capture` gave, in place."""
    after_restore[:] = state["after_restore"]
    adapters.clear()
    adapters.update(state["adapters"])
    excluded_paths[:] = state["excluded_paths"]
    excluded_objects[:] = state["excluded_objects"]
