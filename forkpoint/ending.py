"""What a process says on stderr when its program ends: what was kept, what was not, and how to go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Final

from forkpoint import limits
from forkpoint.say import say

if TYPE_CHECKING:
    from forkpoint.engine import Engine


LOST_SHOWN: Final = 3

PREEMPTED: Final = 75
"""Exit status of a program that forkpoint stopped after the last checkpoint a SIGTERM asked for: it may go on."""


@dataclass(slots=True)
class Totals:
    """What this process has done so far, for the line at the end of the run; `stop_seconds`, `cost_seconds` and
    `child_seconds` are of the last commits alone.
    """

    points: int = 0
    failed: int = 0
    bytes_new: int = 0
    stopped_seconds: float = 0.0
    worst_stop_seconds: float = 0.0
    stop_seconds: float = 0.0
    cost_seconds: float = 0.0
    slowed_seconds: float = 0.0
    child_seconds: float = 0.0
    began: float = field(default_factory=perf_counter)

    def slowed(self, seconds: float) -> None:
        """The last commit took so much of the program's time after its stop. One that was unlucky counts for half."""
        self.slowed_seconds += seconds
        cost = self.stop_seconds + seconds
        self.cost_seconds = (self.cost_seconds + cost) / 2 if self.cost_seconds else cost


def tell(engine: Engine, status: int, finished: bool) -> None:
    """One line of what was kept; what was missing from it; and after an abnormal end the exact next command."""
    totals = engine.totals
    elapsed = max(perf_counter() - totals.began, 1e-9)
    failed = f", {totals.failed} failed" if totals.failed else ""
    slowed = f" and slowed by some {100 * totals.slowed_seconds / elapsed:.2f} %" if totals.slowed_seconds else ""
    say(
        f"{totals.points} restore points{failed}, stopped {100 * totals.stopped_seconds / elapsed:.2f} % of "
        f"{elapsed:.1f} s{slowed}, worst {1000 * totals.worst_stop_seconds:.1f} ms, {totals.bytes_new:,} bytes"
        + (f", not captured: {lost(paths)}" if (paths := engine.losses.paths()) else "")
    )
    if engine.busy:
        say("a restore point is still being written, by a process that goes on alone")
    elif not totals.points and elapsed > limits.AUTO_SECONDS_MIN:
        say(f"no restore point was taken: {engine.obstacles.why()}")
    if (status or not finished) and engine.parent:
        say(f"to go on from the last restore point: {command(engine.parent[:12], engine.store.path)}")


def lost(paths: Sequence[str]) -> str:
    """Objects that were not captured, in a few words."""
    shown = ", ".join(paths[:LOST_SHOWN])
    return shown if len(paths) <= LOST_SHOWN else f"{shown} and {len(paths) - LOST_SHOWN} more"


def command(reference: str, store: str) -> str:
    """The command line that goes on from `reference`, to be pasted."""
    import shlex

    return shlex.join(["forkpoint", "restore", reference, "--store", store])
