"""Named places where a test may kill, fail or delay the program; `reach()` is a no-op unless armed.

Armed by the environment variable FORKPOINT_FAULT=<name>:<action>[:<nth>], read once at import:
action `kill` sends SIGKILL to this process, `raise` raises OSError(EIO), `sleep=<seconds>` delays.
Every name is listed in POINTS, and a test visits each.
"""

from __future__ import annotations

import errno
import os
import time

TYPE_CHECKING = False  # `typing` and `signal` would cost the committer a tenth of its time
if TYPE_CHECKING:
    from typing import Final

POINTS: Final[frozenset[str]] = frozenset(
    {
        "child.started",
        "child.encoded",
        "pack.written",
        "pack.synced",
        "pack.renamed",
        "pack.directory-synced",
        "committer.started",
        "committer.locked",
        "committer.inserted",
        "committer.committed",
        "committer.anchored",
        "forget.condemned",
        "forget.rows-deleted",
        "forget.files-deleted",
        "repair.reported",
        "repair.pack-linked",
        "repair.packs-aside",
        "repair.journal-aside",
        "repair.journal-replaced",
        "rekey.copied",
        "rekey.journal-removed",
        "rekey.installed",
        "rekey.entered",
        "program.forked",
        "program.durable",
    }
)

_armed: str | None = None
_action = ""
_countdown = 0

_spec = os.environ.get("FORKPOINT_FAULT", "")
if _spec:
    _name, _action, *_rest = _spec.split(":")
    if _name not in POINTS:
        raise ValueError(f"FORKPOINT_FAULT names no fault point: {_name}")
    _armed, _countdown = _name, int(_rest[0]) if _rest else 1


def reach(name: str) -> None:
    """Do what a test asked for at this place, on the n-th time it is reached."""
    if name != _armed:
        return
    global _countdown
    _countdown -= 1
    if _countdown > 0:
        return
    if _action == "kill":
        os.kill(os.getpid(), 9)
    elif _action == "raise":
        raise OSError(errno.EIO, f"fault injected at {name}")
    elif _action.startswith("sleep="):
        time.sleep(float(_action.removeprefix("sleep=")))
