"""Many processes in this one, one after the other, each with its fate: it lives, is killed, or is refused something.

A process here is a call. When it is over, whether it returned, exited, raised or was killed, nothing of it is left that
would not be left of a real one: its SQLite connections do nothing more, its locks and, if it died, its leases are gone.
What really happens at once, and real forks and signals, are for test_journal_kill.py and the programs in stress/.
"""

from __future__ import annotations

import collections
import dataclasses
import errno
import fcntl
import gc
import os
import random
import tempfile
import time
import types
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from seeded_disk import Died, SeededDisk
from seeded_seam import put_under
from sqlite_disk import sqlite_on

from forkpoint import errors, limits
from forkpoint.journal import committer, connection, disk, handover

START = 1_767_225_600.0


@dataclasses.dataclass(frozen=True)
class Fate:
    """What becomes of a process: it lives, is killed at its so manyth operation (`cut`: and the power fails), or is
    refused one operation, or all from one on, of those whose name begins with `only` (`failing`: all of them for good).
    """

    kind: str = "lives"
    at: int = 0
    count: int = 0
    code: int = 0
    only: str = ""

    @property
    def certain(self) -> bool:
        return self.kind == "lives"

    @property
    def cuts(self) -> bool:
        """Whether only the disk is left: a filesystem that has failed is mounted anew before anybody uses it again."""
        return self.kind in ("cut", "failing")


LIVES = Fate()
_OPERATIONS = st.one_of(st.integers(1, 90), st.integers(1, 90), st.integers(1, 400))
FATES = st.one_of(
    st.just(LIVES),
    st.builds(Fate, st.sampled_from(["killed", "cut"]), _OPERATIONS),
    st.builds(Fate, st.just("refused"), _OPERATIONS, st.just(1), st.sampled_from([errno.EIO, errno.ENOSPC])),
    st.builds(Fate, st.just("refused"), _OPERATIONS, st.just(10**6), st.just(errno.ENOSPC)),
    st.builds(Fate, st.just("refused"), st.integers(1, 8), st.just(1), st.just(errno.EIO), st.just("sync")),
    st.builds(Fate, st.just("failing"), _OPERATIONS, st.just(10**6), st.just(errno.EIO)),
)  # fmt: skip


class _Exited(BaseException):
    """A committer called os._exit."""


class Processes:
    """The folder's processes, their disk and their clock."""

    happened: collections.Counter[str] = collections.Counter()
    """What became of all of them so far."""

    def __init__(self, folder: Path, store: str, chance: random.Random) -> None:
        self.now = START
        self.told = ""
        """What the last committer answered: "K", or "F" and why; nothing if it did not."""
        self._lock = f"{store}/writer.lock"
        self._connections: list[connection.Connection] = []
        self._duplicates: set[int] = set()
        self._undo = ExitStack()
        self.patch = self._undo.enter_context(pytest.MonkeyPatch.context())
        self.patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        self.patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        self.patch.delenv("FORKPOINT_KEY_FILE", raising=False)
        self.disk = SeededDisk(folder, chance)
        self._undo.enter_context(sqlite_on(self.disk))
        put_under(self.disk, self.patch)
        self._change_what_processes_share(chance)
        self._notice_what_each_holds()

    def _change_what_processes_share(self, chance: random.Random) -> None:
        """The clock; chance, since names of packs decide which directories are made; bounds, so that little is much."""
        patch = self.patch
        patch.setattr(time, "time", lambda: self.now)
        patch.setattr(os, "urandom", random.Random(chance.random()).randbytes)
        patch.setattr(tempfile, "tempdir", "/dev/shm")
        patch.setattr(limits, "RESERVE_BYTES", 3 * 16384)
        patch.setattr(limits, "FREE_BYTES_MIN", 0)
        patch.setattr(limits, "FREE_SHARE_MIN", 0.0)
        patch.setattr(connection.fold, "__defaults__", (48 << 10,))

    def _notice_what_each_holds(self) -> None:
        connect, duplicate, close = connection._connect, disk.fcntl, disk.close

        def connected(*how: Any) -> connection.Connection:
            self._connections.append(connect(*how))
            return self._connections[-1]

        def duplicated(fd: int, what: int, *more: Any) -> Any:
            answer = duplicate(fd, what, *more)
            if what == disk.F_DUPFD_CLOEXEC:
                self._duplicates.add(answer)
            return answer

        def closed(fd: int) -> None:
            self._duplicates.discard(fd)
            close(fd)

        def exits(status: int) -> None:
            raise _Exited(status)

        self.patch.setattr(connection, "_connect", connected)
        self.patch.setattr(disk, "fcntl", duplicated)
        self.patch.setattr(disk, "close", closed)
        self.patch.setattr(committer, "os", types.SimpleNamespace(**{**vars(os), "_exit": exits}))
        self.patch.setattr(committer, "_answer", self._answer)

    def _answer(self, request: dict[str, Any], info: handover.PackInfo, seq: int, message: str, ms: float) -> None:
        if self.disk.dead:
            raise Died("answer")
        self.told = "K" if seq >= 0 else f"F {message}"

    @property
    def cramped(self) -> bool:
        """Whether the disk is full, or soon will be."""
        return self.disk.free is not None

    def run(self, work: Callable[[], object], fate: Fate = LIVES) -> str:
        """One process from its beginning to its end: "done", "died", or what it said when it failed."""
        refuses = (fate.at, fate.count, fate.code, fate.only) if fate.count else (0, 0, 0, "")
        self.disk.begin(dies_at=fate.at if fate.kind in ("killed", "cut") else 0, refuses=refuses)
        self.told = ""
        self._duplicates.clear()
        outcome = "done"
        try:
            work()
        except (_Exited, Died):
            pass
        except Exception as error:
            if not self.disk.dead:
                outcome = self._said(error, fate)
        if self.disk.dead:
            outcome = "died"
        self._count(outcome, fate)
        self._bury(outcome)
        return outcome

    def _said(self, error: Exception, fate: Fate) -> str:
        """Failures are told in our words, and have a reason."""
        if not isinstance(error, (errors.ForkpointError, OSError)):
            raise AssertionError(f"not one of ours: {error!r}") from error
        if fate.certain and not self.cramped:
            raise AssertionError(f"nothing was wrong, and yet: {error!r}") from error
        return repr(error)

    def _count(self, outcome: str, fate: Fate) -> None:
        self.happened["processes"] += 1
        self.happened["killed"] += outcome == "died"
        self.happened["refused something"] += self.disk.refused

    def _bury(self, outcome: str) -> None:
        """What it still has open does nothing any more."""
        self.disk.end()
        while self._connections:
            self._connections.pop().close()
        if outcome == "died":
            for fd in self._duplicates:
                os.close(fd)
        self._unlock()
        self.disk.begin()

    def _unlock(self) -> None:
        """writer.lock goes with the frames of who held it."""
        if not os.path.exists(self._lock):
            return
        fd = os.open(self._lock, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            gc.collect()
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(fd)

    def end(self) -> None:
        """All is as it was before."""
        self._undo.close()
