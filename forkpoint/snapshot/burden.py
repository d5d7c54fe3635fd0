"""What a commit takes from its program after the stop: pages to copy, and cores that the child has in its place.

Measured in the program from the fork until the child's end is seen, as far as it is more than usual between commits:
minor faults (getrusage(2)), and the time in which threads were ready and did not run (second number of
/proc/<pid>/task/<tid>/schedstat, Documentation/scheduler/sched-stats.rst). Where the kernel keeps no such times they
count as none. Some 20 us a thread, twice a commit.
"""

from __future__ import annotations

import os
import resource
from time import monotonic
from typing import Final, NamedTuple

from forkpoint.snapshot.proc import read

FAULT_SECONDS: Final = 2e-6
"""A page that is copied while a child lives: 1.3 us with one thread, 4 with two that fault at once (stress/bench)."""

USUAL_SECONDS_MIN: Final = 0.2
"""What happened in less time than that is no measure of what is usual."""

THREADS_MAX: Final = 64
"""Of a program with more threads only so many are looked at."""


class Reading(NamedTuple):
    """Counts of this process: seconds of a clock, minor faults, seconds its threads waited for a core."""

    at: float
    faults: float
    waited: float


def reading() -> Reading:
    """What the kernel counts now."""
    try:
        threads = os.listdir("/proc/self/task")[:THREADS_MAX]
    except OSError:
        threads = []
    waited = sum(_waited(thread) for thread in threads)
    return Reading(monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt, waited / 1e9)


def _waited(thread: str) -> int:
    fields = read(f"/proc/self/task/{thread}/schedstat").split()
    return int(fields[1]) if len(fields) == 3 else 0


def beyond(usual: Reading, began: Reading, ended: Reading, most: float) -> float:
    """Seconds that what happened between two readings took beyond the `usual`, which is counts in that many seconds. Of
    the waiting, `most` seconds: what the child has used. For the rest others are to blame.
    """
    share = (ended.at - began.at) / usual.at if usual.at > 0.0 else 0.0
    faults = ended.faults - began.faults - share * usual.faults
    waited = ended.waited - began.waited - share * usual.waited
    return max(faults, 0.0) * FAULT_SECONDS + min(max(waited, 0.0), most)


class Burden:
    """The readings around commits."""

    def __init__(self) -> None:
        self._ended = reading()
        self._began = self._ended
        self._usual = Reading(0.0, 0.0, 0.0)

    def begin(self) -> None:
        """The program goes on, with a child beside it."""
        self._began = reading()
        since = Reading(*(now - before for now, before in zip(self._began, self._ended, strict=True)))
        if since.at >= USUAL_SECONDS_MIN:
            self._usual = since

    def end(self, child_seconds: float) -> float:
        """The child, which has used so much CPU time, is gone: the seconds that it has taken from the program."""
        self._ended = reading()
        return beyond(self._usual, self._began, self._ended, child_seconds)
