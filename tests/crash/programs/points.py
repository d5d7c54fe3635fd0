"""A commit point of the crash programs: `point()` commits, waits until that is durable, and dies there when told to.

CRASH_POINTS says what happens: unset, every point commits; `list` only numbers them on stderr; `kill:N` commits at
every point and dies at the N-th; `only:N` commits at the N-th alone and dies there; `every` dies at each one.
The count is the program's own state, so it goes on where it was in a restored process, and so does the environment.
"""

import os
import signal
import sys

import forkpoint

_mode, _, _number = os.environ.get("CRASH_POINTS", "").partition(":")
_chosen = int(_number) if _number else 0
count = 0


def point(value=True):
    """Commit here. Returns `value`, in the process that commits and in each one that comes back to this call."""
    global count
    count += 1
    if _mode == "list":
        print("POINT", count, file=sys.stderr, flush=True)
        return value
    if _mode == "only" and count != _chosen:
        return value
    taken = forkpoint.checkpoint(wait=True)
    if taken.restored:
        return value
    if not taken.durable:
        print("REFUSED", count, taken.reason, file=sys.stderr, flush=True)
    elif _mode == "every" or count == _chosen:
        os.kill(os.getpid(), signal.SIGKILL)
    return value
