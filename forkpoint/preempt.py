"""What SIGTERM does: a last checkpoint within the grace, then what the program would have done.

Native code (native/guard.c) sits in front of the program's handler and calls `_asked` in the main thread. The next
safe point commits, and the program is stopped there until that commit is durable: what it did after it would be lost.
Then its own handler runs; where it has none it ends with status 75, which means that it may go on from there.

In the middle of one long call into C no bytecode runs, so nothing can be committed there: once the grace is over the
program's own handler gets the signal, or the program dies of it, and the restore points before stand.
"""

from __future__ import annotations

import os
import signal
from time import monotonic
from typing import TYPE_CHECKING, Final

from forkpoint import _native, limits
from forkpoint.ending import PREEMPTED
from forkpoint.model import Refusal
from forkpoint.say import say

if TYPE_CHECKING:
    from forkpoint.autosave import Autosave
    from forkpoint.engine import Engine
    from forkpoint.point import Checkpoint

_leave = os._exit
"""As it was before `launch` wrapped the program's: who leaves here has not finished."""

_BATCH: Final = (signal.SIGUSR1, signal.SIGUSR2)
"""What SLURM is told to send before the end (`--signal=USR1@60`); these kill a program that has no handler, too."""


class Preemption:
    """Waits for a signal to stop; then says when `autosave` is to commit at once, and what follows."""

    def __init__(self, engine: Engine, autosave: Autosave) -> None:
        self._engine = engine
        self._autosave = autosave
        self._signum = 0
        self._until = 0.0
        self._refused_since: float | None = None

    def start(self, supervisor: int) -> None:
        """Signals are looked for from now on; `supervisor` may pass them on beside who sent them to all of us."""
        numbers = (signal.SIGTERM, *(_BATCH if os.environ.get("SLURM_JOB_ID") else ()))
        try:
            _native.guard_start(self._asked, tuple(map(int, numbers)), self._engine.settings.grace, supervisor)
        except (RuntimeError, OSError) as problem:
            say(f"SIGTERM ends the program without a last checkpoint: {problem}")

    def stop(self) -> None:
        """The program's own dispositions hold again."""
        _native.guard_stop()
        self._signum = 0

    @property
    def under_way(self) -> bool:
        """Whether a last checkpoint is to be taken at the next safe point."""
        return self._signum != 0

    def _asked(self, signum: int, ago: float) -> None:
        """In the main thread, between two bytecodes: the signal came `ago` seconds ago."""
        self._signum = signum
        self._until = monotonic() + self._engine.settings.grace - ago
        self._refused_since = None
        if not self._engine.settings.quiet:
            say(f"{self._name}: a last checkpoint, within {self._engine.settings.grace:g} s")
        self._autosave.at_once()

    def refused(self, refusal: Refusal | None) -> None:
        """No commit here, `refusal` says why. A program with a handler of its own is not kept waiting for one that
        never comes; nor is anyone beyond the grace.
        """
        if not self.under_way:
            return
        now = monotonic()
        if refusal is not None and self._refused_since is None:
            self._refused_since = now
        in_vain = self._refused_since is not None and now - self._refused_since > limits.REFUSED_SECONDS_MAX
        if now > self._until or (in_vain and not _native.guard_is_default(self._signum)):
            self._over(f"no last checkpoint: {self._engine.obstacles.why()}")

    def taken(self, point: Checkpoint) -> None:
        """The last commit was begun; the program stands still until it is durable or the grace is over."""
        if point.wait(max(self._until - monotonic(), 0.0)):
            self._over("")
        elif point.done() and monotonic() < self._until:
            self._autosave.look_again()
        else:
            self._over(f"the last checkpoint is not durable: {point.reason or 'the grace is over'}")

    def _over(self, problem: str) -> None:
        signum, name, self._signum = self._signum, self._name, 0
        if problem:
            say(f"{name}: {problem}")
        elif _native.guard_is_default(signum):
            self._engine.leaving(PREEMPTED, finished=False)
            self._engine.end(quick=True)
            _leave(PREEMPTED)
        self._autosave.go_on()
        _native.guard_pass_on(signum)

    @property
    def _name(self) -> str:
        return signal.Signals(self._signum).name
