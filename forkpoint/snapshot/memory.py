"""May we fork now: what copy-on-write could cost, against what the machine has left.

Read from /proc and the memory cgroup, not through psutil: the program must not find a library imported that it did
not import.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Final

from forkpoint.limits import COPIED_SHARE, MEMORY_RESERVE_BYTES
from forkpoint.snapshot.proc import read

_CGROUP: Final = Path("/sys/fs/cgroup")


def check() -> str | None:
    """Why the program should not be forked now, or None. Takes well under a millisecond."""
    return decide(private=private_bytes(), available=available_bytes())


def decide(*, private: int, available: int) -> str | None:
    """The decision alone: a share of the private memory will be copied while the child lives, and must be there."""
    needed = int(private * COPIED_SHARE) + MEMORY_RESERVE_BYTES
    if needed <= available:
        return None
    return f"memory is short: copies could take {needed >> 20:,} MiB and {available >> 20:,} MiB are available"


def private_bytes() -> int:
    """Resident memory that a fork would have to copy when it is written: not shared mappings, not files."""
    _, resident, shared, *_ = read("/proc/self/statm").split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def available_bytes() -> int:
    """What can be had without swapping: of the machine, or of the memory cgroup when that has less (version 2)."""
    return min([_machine_available(), *(_group_available(group) for group in _groups())])


def _machine_available() -> int:
    for line in read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 1 << 62


@functools.cache
def _groups() -> tuple[str, ...]:
    """Our cgroup and those above it that have a limit; a container sees its own as the root."""
    own = next((line[3:] for line in read("/proc/self/cgroup").splitlines() if line.startswith("0::")), "")
    path = Path(f"{_CGROUP}{own}") if own else _CGROUP
    above = [path, *path.parents]
    return tuple(str(group) for group in above if group.is_relative_to(_CGROUP) and (group / "memory.max").exists())


def _group_available(group: str) -> int:
    limit = read(f"{group}/memory.max").strip()
    if not limit.isdigit():
        return 1 << 62
    used = int(read(f"{group}/memory.current") or 0)
    for line in read(f"{group}/memory.stat").splitlines():
        if line.startswith("inactive_file "):  # Page cache the kernel would give up first.
            used -= int(line.split()[1])
    return max(int(limit) - used, 0)
