"""Where the program's open files stand: offsets are shared with a forked child and go on moving under it."""

from __future__ import annotations

import os
import stat


def positions() -> dict[int, int]:
    """Offset by descriptor, of the regular files this process has open. Some microseconds each."""
    found: dict[int, int] = {}
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and stat.S_ISREG(os.fstat(fd).st_mode):
                found[fd] = os.lseek(fd, 0, os.SEEK_CUR)
        except OSError:
            continue  # the listing's own descriptor, closed since
    return found
