"""When automatic commits are due (pure), and the trigger that takes them: in the main thread, at a safe point.

A native timer queues `_tick` as a pending call; `_tick` never commits by itself, since an arbitrary bytecode boundary
is a poor place: it finds the deepest frame that can be resumed and arms one line event there. Between commits a
program pays nothing.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

from forkpoint import _native, errors, limits
from forkpoint.capture import ambient, stack
from forkpoint.model import Refusal
from forkpoint.preempt import Preemption
from forkpoint.snapshot import safepoint

if TYPE_CHECKING:
    from types import CodeType

    from forkpoint.engine import Engine


def next_interval(every: float | None, cost_seconds: float, child_seconds: float, max_overhead: float) -> float:
    """Seconds until the next automatic commit is due.

    With `every` None (auto): so long that what a commit takes from the program, its stop and what it is slowed by until
    the child has ended, stays within `max_overhead` (a share, 0.01 is 1 %); at least twice as long as a child takes;
    within the limits for auto.
    """
    if every is not None:
        return every
    wanted = max(cost_seconds / max_overhead, 2 * child_seconds)
    return min(max(wanted, limits.AUTO_SECONDS_MIN), limits.AUTO_SECONDS_MAX)


def retry_seconds(times: int, child_seconds: float) -> float:
    """How soon to try again after `times` children in a row have come to nothing, the last after `child_seconds`."""
    return max(child_seconds, limits.RETRY_SECONDS_MAX) * limits.RETRY_GROWTH ** min(times, limits.RETRIES_COUNTED_MAX)


class Autosave:
    """Takes commits of `engine` by the clock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._interval = next_interval(self._every, 0.0, 0.0, self._share)
        self._due = monotonic() + self._interval
        self._pause = limits.RETRY_SECONDS_MIN
        self._armed: CodeType | None = None
        self._passed: list[CodeType] = []
        self._place = ""
        self._preemption = Preemption(engine, self)

    @property
    def _every(self) -> float | None:
        every = self._engine.settings.every
        if every == "auto" and self._engine.rehearsal is not None:
            return limits.AUTO_SECONDS_MIN
        return None if every == "auto" else float(every)

    @property
    def _share(self) -> float:
        return self._engine.settings.max_overhead / 100

    def start(self) -> None:
        """Begin to tick, and to look for signals that ask the program to stop. Until `stop`, two threads exist that
        hold no Python state.
        """
        _native.ticks_start(self._tick, self._interval)
        self._preemption.start(self._engine.supervisor)
        self._engine.protection.start(self._interval)

    def stop(self) -> None:
        """No commit begins after this returns."""
        _native.ticks_stop()
        self._engine.protection.stop()
        self._preemption.stop()
        self._disarm()

    def at_once(self) -> None:
        """A commit is due now, wherever the next safe point is."""
        self._due = monotonic()
        self._pause = limits.RETRY_SECONDS_MIN
        self._tick()

    def look_again(self) -> None:
        """This safe point would not do; look for the next one, soon."""
        self._due = monotonic()
        _native.ticks_interval(limits.RETRY_SECONDS_MAX)

    def go_on(self) -> None:
        """Nothing is due at once any more."""
        self._postpone()

    def overtaken(self) -> None:
        """The program took a commit itself: that one counts, so that it need not wait for one of ours soon after."""
        if not self._preemption.under_way:
            self._disarm()
            self._postpone()

    def in_vain(self, times: int, seconds: float) -> None:
        """A child at work for `seconds` has found that there was no commit point, the last of `times` in a row:
        another is looked for before a whole interval has passed, but later each time.
        """
        self._due = min(self._due, monotonic() + retry_seconds(times, seconds))

    def _postpone(self) -> None:
        """A commit was taken: the next one is due an interval from now."""
        totals = self._engine.totals
        cost = max(totals.stop_seconds, totals.cost_seconds)
        self._interval = next_interval(self._every, cost, totals.child_seconds, self._share)
        self._engine.protection.interval(self._interval)
        self._due = monotonic() + self._interval
        self._pause = limits.RETRY_SECONDS_MIN
        self._rest()

    def _rest(self) -> None:
        """No tick until a commit is due; but while a child is at work its end is looked for, so that a failure is told,
        and another place tried, soon.
        """
        left = max(self._due - monotonic(), limits.RETRY_SECONDS_MIN)
        _native.ticks_interval(min(left, limits.CHILD_LOOK_SECONDS) if self._engine.busy else left)

    def _tick(self) -> None:
        """Runs in the main thread between two bytecodes of whatever code is running there."""
        try:
            self._consider()
        except errors.Refused as refused:
            self._refused(refused)
        except Exception as problem:
            # Ours, not the program's: it is told and the program goes on.
            self._failed(problem)

    def _refused(self, refused: errors.Refused) -> None:
        refusal = Refusal(refused.reason, refused.location)
        self._engine.obstacles.note(refusal)
        self._preemption.refused(refusal)

    def _failed(self, problem: Exception) -> None:
        try:
            self._engine.failed(f"no automatic commit: {type(problem).__name__}: {problem}")
        finally:
            self._preemption.refused(None)

    def _consider(self) -> None:
        self._disarm()
        self._engine.poll()
        self._engine.losses.tell()
        now = monotonic()
        self._engine.protection.look()
        if now < self._due:
            self._rest()
            return
        self._pause = min(self._pause * limits.RETRY_GROWTH, limits.RETRY_SECONDS_MAX)
        _native.ticks_interval(self._pause)
        self._preemption.refused(None)  # only looks at the clock
        if self._engine.busy:
            return
        self._engine.ask_threads()
        avoided = (*ambient.inside(), *self._engine.places.avoided(self._engine.protection.gap))
        place = stack.deepest_resumable((*avoided, *self._passed))
        if place.blocked is not None and not self._passed:
            standing = ambient.standing()
            self._engine.obstacles.note(Refusal(standing, "") if standing else place.blocked)
        safepoint.arm(place.address, place.code, self._reached)
        self._armed = place.code
        self._place = str(place.location)

    def _disarm(self) -> None:
        """What is still armed was not reached: a function of one line may end without beginning another one, each time
        (CPython 3.13). Its callers are tried next, a few of them, then the innermost frame again.
        """
        if self._armed is not None:
            self._passed = [*self._passed, self._armed] if len(self._passed) < limits.OUTWARD_MAX else []
            self._armed = None
            safepoint.disarm()

    def _reached(self, mode: safepoint.Mode, destination: int | None) -> None:
        """The armed frame is at the start of a line (or of a loop's next turn): commit here.

        A fork of the program's has what was armed before it, and comes by: it is no run of ours.
        """
        self._armed = None
        self._passed = []
        if os.getpid() != self._engine.pid:
            return
        try:
            last = self._preemption.under_way
            if self._engine.rehearsal is not None and self._engine.rehearsal.only_looks(self._place):
                return
            point = self._engine.commit("signal" if last else "timer", mode=mode, destination=destination)
            self._postpone()  # before waiting: ticks come meanwhile, and must not arm again
            if last:
                self._preemption.taken(point)
        except errors.Refused as refused:
            self._refused(refused)
        except Exception as problem:
            self._failed(problem)
