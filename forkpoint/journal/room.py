"""Whether the store's filesystem is so full that old restore points must make room."""

from __future__ import annotations

from forkpoint import limits
from forkpoint.journal import disk


def free(path: str) -> tuple[int, int]:
    """(bytes free, bytes that should stay free) on the filesystem of `path`."""
    facts = disk.statvfs(path)
    floor = max(limits.FREE_BYTES_MIN, int(limits.FREE_SHARE_MIN * facts.f_blocks * facts.f_frsize))
    return facts.f_bavail * facts.f_frsize, floor


def short(path: str) -> bool:
    """Whether less is free than should stay free."""
    now, floor = free(path)
    return now < floor
