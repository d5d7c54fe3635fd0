"""The program is about to fork by itself: adapters that must see how a child begins are told, before it does.

Most children are the program's own business. A few come back with it (`ambient.children`), and what those were started
with is to be seen at no later time.
"""

from __future__ import annotations

import os
import sys
from types import FrameType

from forkpoint.capture import ambient

_watching: list[int] = []
"""The process that is watched; its forks are not."""


def watch() -> None:
    """From now on each `os.fork()` of this process is looked at, in microseconds where no adapter cares."""
    if not _watching:
        os.register_at_fork(before=_before)
    _watching[:] = [os.getpid()]


def _before() -> None:
    # Runs inside the program's own os.fork(): what goes wrong here must not reach it. A child that was not seen to
    # begin is one that stands in the way of commits, and is named then.
    if _watching == [os.getpid()]:
        caller: FrameType | None = sys._getframe(1)
        if caller is not None:
            ambient.before_program_forks(caller)
