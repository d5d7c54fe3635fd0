"""What is changed of forkpoint in the writer's processes: bounds, so that much happens on a small disk, and one bug.

The product knows nothing of this. The writer calls `install`, and puts a call of it into the code that committers and
helpers are started with.
"""

from __future__ import annotations

import os
import types
from collections.abc import Callable
from typing import Any

from forkpoint import limits
from forkpoint.journal import disk

VARIABLE = "POWER_PLANT"
"""Names the bug, in the writer's environment."""


def _with(module: Any, **changes: Callable[..., Any]) -> None:
    """Let this module alone see another disk."""
    module.disk = types.SimpleNamespace(**{**vars(disk), **changes})


def _nothing(_fd: int) -> None:
    pass


def no_pack_sync() -> None:
    """Packs are written and renamed, and never synced."""
    from forkpoint.journal import pack

    _with(pack, fdatasync=_nothing)


def no_pack_name_sync() -> None:
    """A pack's rename is not made durable by itself."""
    from forkpoint.journal import pack

    _with(pack, fsync=_nothing)


def no_directory_sync() -> None:
    """No rename and no new directory is made durable by itself."""
    from forkpoint.journal import connection, durable, pack

    for module in (pack, durable, connection):
        _with(module, fsync=_nothing)


def _synchronous(level: str) -> None:
    from forkpoint.journal import connection

    opened = connection.open_writer

    def open_writer(home: Any) -> Any:
        db = opened(home)
        db.execute(f"PRAGMA synchronous={level}")
        return db

    connection.open_writer = open_writer


def synchronous_normal() -> None:
    """SQLite does not sync its WAL at COMMIT."""
    _synchronous("NORMAL")


def synchronous_off() -> None:
    """SQLite syncs nothing, not even when it folds the WAL."""
    _synchronous("OFF")


def sync_retried() -> None:
    """A pack whose fdatasync failed is synced again, which succeeds."""
    from forkpoint.journal import pack

    def again(fd: int) -> None:
        try:
            os.fdatasync(fd)
        except OSError:
            os.fdatasync(fd)

    _with(pack, fdatasync=again)


PLANTS: dict[str, Callable[[], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        no_pack_sync,
        no_pack_name_sync,
        no_directory_sync,
        synchronous_normal,
        synchronous_off,
        sync_retried,
    )
}


def install() -> None:
    """In this process, before it uses the journal."""
    vars(limits).update(WAL_FOLD_BYTES=48 << 10, FREE_BYTES_MIN=0, FREE_SHARE_MIN=0.02)
    if name := os.environ.get(VARIABLE):
        PLANTS[name]()
