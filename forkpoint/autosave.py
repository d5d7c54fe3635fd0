"""When automatic commits are due (pure), and the trigger that takes them: in the main thread, at a safe point.

A native timer queues `_tick` as a pending call; `_tick` never commits by itself, since an arbitrary bytecode boundary
is a poor place: it finds the deepest frame that can be resumed and arms one line event there. Between commits a
program pays nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from forkpoint import _native, errors, limits
from forkpoint.capture import stack
from forkpoint.model import Refusal
from forkpoint.say import say
from forkpoint.snapshot import safepoint

if TYPE_CHECKING:
    from forkpoint.engine import Engine


def next_interval(every: float | None, stop_seconds: float, child_seconds: float, max_overhead: float) -> float:
    """Seconds until the next automatic commit is due.

    With `every` None (auto): so long that one stop stays within `max_overhead` (a share, 0.01 is 1 %), at least twice
    as long as a child takes, and within the limits for auto.
    """
    if every is not None:
        return every
    wanted = max(stop_seconds / max_overhead, 2 * child_seconds)
    return min(max(wanted, limits.AUTO_SECONDS_MIN), limits.AUTO_SECONDS_MAX)


class Autosave:
    """Takes commits of `engine` by the clock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._interval = next_interval(self._every, 0.0, 0.0, self._share)
        self._due = time.monotonic() + self._interval
        self._pause = limits.RETRY_SECONDS_MIN
        self._armed = False
        self._warn_after = max(limits.UNPROTECTED_SECONDS, 10 * self._interval)

    @property
    def _every(self) -> float | None:
        every = self._engine.settings.every
        return None if every == "auto" else float(every)

    @property
    def _share(self) -> float:
        return self._engine.settings.max_overhead / 100

    def start(self) -> None:
        """Begin to tick. Until `stop`, the timer thread exists and holds no Python state."""
        _native.ticks_start(self._tick, self._interval)

    def stop(self) -> None:
        """No commit begins after this returns."""
        _native.ticks_stop()
        self._disarm()

    def postpone(self, stop_seconds: float, child_seconds: float) -> None:
        """A commit was taken: the next one is due an interval from now."""
        self._interval = next_interval(self._every, stop_seconds, child_seconds, self._share)
        self._due = time.monotonic() + self._interval
        self._pause = limits.RETRY_SECONDS_MIN
        _native.ticks_interval(self._interval)

    def _tick(self) -> None:
        """Runs in the main thread between two bytecodes of whatever code is running there."""
        try:
            self._consider()
        except errors.Refused as refused:
            self._engine.note(Refusal(refused.reason, refused.location))
        except Exception as problem:
            # Ours, not the program's: it is told and the program goes on.
            self._engine.failed(f"no automatic commit: {type(problem).__name__}: {problem}")

    def _consider(self) -> None:
        self._disarm()
        self._engine.poll()
        now = time.monotonic()
        self._warn_if_unprotected(now)
        if now < self._due:
            _native.ticks_interval(self._due - now)
            return
        self._pause = min(self._pause * limits.RETRY_GROWTH, limits.RETRY_SECONDS_MAX)
        _native.ticks_interval(self._pause)
        if self._engine.busy:
            return
        self._engine.ask_threads()
        place = stack.deepest_resumable(self._engine.places.avoided(now - self._engine.durable_at))
        if place.blocked is not None:
            self._engine.note(place.blocked)
        safepoint.arm(place.address, place.code, self._reached)
        self._armed = True

    def _disarm(self) -> None:
        if self._armed:
            self._armed = False
            safepoint.disarm()

    def _reached(self, mode: safepoint.Mode, destination: int | None) -> None:
        """The armed frame is at the start of a line (or of a loop's next turn): commit here."""
        self._armed = False
        try:
            self._engine.commit("timer", mode=mode, destination=destination)
        except errors.Refused as refused:
            self._engine.note(Refusal(refused.reason, refused.location))
        except Exception as problem:
            self._engine.failed(f"no automatic commit: {type(problem).__name__}: {problem}")

    def _warn_if_unprotected(self, now: float) -> None:
        engine = self._engine
        gap = now - engine.durable_at
        if gap < self._warn_after:
            self._warn_after = max(limits.UNPROTECTED_SECONDS, 10 * self._interval)
            return
        self._warn_after = 2 * gap
        say(f"no restore point for {gap:.0f} s: {engine.why_none()}")
