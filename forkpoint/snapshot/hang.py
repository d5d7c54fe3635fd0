"""Whether a child hangs on a lock it inherited: a fork copies locks that other threads hold, but not the threads.

The deadline is for children that are slow; this tells the hung ones apart long before it, so that the next commit need
not wait. A child hangs when all its threads wait in futex calls and the process has used no CPU time for a while: disk,
sleep and other processes' file locks look different. Where the kernel does not say (no /proc/<pid>/wchan), nobody is
ever said to hang.
"""

from __future__ import annotations

import os
from time import clock_gettime, monotonic

from forkpoint.limits import HANG_SECONDS
from forkpoint.snapshot.proc import read

LOOK_SECONDS = 1.0
"""Between two looks at one process: a look costs some 50 us."""


class HangWatch:
    """Watches one child; ask as often as you like."""

    __slots__ = ("_cpu", "_looked", "_pid", "_since")

    def __init__(self) -> None:
        self._pid = 0
        self._cpu = -1.0
        self._since = self._looked = monotonic()

    def hangs(self, pid: int, now: float) -> bool:
        """Whether process `pid` has done nothing but wait for locks for HANG_SECONDS, at `now` (monotonic)."""
        if now - self._looked < LOOK_SECONDS and pid == self._pid:
            return False
        self._looked = now
        used = _cpu_seconds(pid) if _waits_for_locks(pid) else -1.0
        if used < 0.0 or used != self._cpu or pid != self._pid:
            self._cpu, self._pid, self._since = used, pid, now
        return now - self._since >= HANG_SECONDS


def _cpu_seconds(pid: int) -> float:
    """CPU time of a whole process (clock_getcpuclockid(3)); negative when it is gone."""
    try:
        return clock_gettime(~pid << 3 | 2)
    except OSError:
        return -1.0


def _waits_for_locks(pid: int) -> bool:
    """Whether the kernel says so of every thread: wchan names the function one waits in."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    return bool(threads) and all(read(f"/proc/{pid}/task/{thread}/wchan").startswith("futex") for thread in threads)
