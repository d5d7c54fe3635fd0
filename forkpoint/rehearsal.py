"""`run --dry-run` in the program's process: it ends at its first restore point, which lies in a scratch store."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from forkpoint.engine import Engine
    from forkpoint.point import Checkpoint

PLACES_MAX: Final = 5
LOOK_SECONDS: Final = 1.0
"""So long the first commit points are only noted, before one of them is taken."""

_leave = os._exit
"""As it was before `launch` wrapped the program's: who leaves here has not finished."""


class Rehearsal:
    """Notes where commit points are; ends the process once one was taken."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self._first = 0.0

    def only_looks(self, place: str) -> bool:
        """Note a commit point; whether it is too soon to take one."""
        if not self.places:
            self._first = monotonic()
        if place not in self.places:
            self.places.append(place)
        return len(self.places) < PLACES_MAX and monotonic() < self._first + LOOK_SECONDS

    def end(self, engine: Engine, point: Checkpoint) -> None:
        """The capture was begun: wait for it, and go no further. Returns only if it came to nothing."""
        if point.wait():
            engine.end(quick=True, quiet=True)
            _leave(0)
