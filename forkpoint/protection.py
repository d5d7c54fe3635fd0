"""How long the program has gone without a restore point: told in time, and with `--require-within` its end."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from forkpoint import _native, limits
from forkpoint.ending import command
from forkpoint.say import say

if TYPE_CHECKING:
    from forkpoint.engine import Engine

_WARN: Final = 0
_STOP: Final = 1
_LATER_SECONDS: Final = 2.0
"""What only native code can tell waits so long for Python to tell it better."""


class Protection:
    """Watches the clock from `start` on. Native alarms speak, and stop the program, where no bytecode runs."""

    def __init__(self, engine: Engine) -> None:
        self.since = monotonic()
        """When the newest restore point became durable, or the run began."""
        self._engine = engine
        self._first = limits.UNPROTECTED_SECONDS
        self._warn_after = self._first
        self._watching = False
        self._room_told = False
        self._until = 0.0

    def start(self, interval: float) -> None:
        """From now on at most `require_within` seconds pass without a restore point, and none go by untold."""
        self._watching = True
        self.since = monotonic()
        self.interval(interval)
        self._set_alarms()

    def stop(self) -> None:
        """The alarms go with the native side, which is stopped beside this."""
        self._watching = False

    def interval(self, seconds: float) -> None:
        """Commits are `seconds` apart now: ten of them may fail before that is told."""
        self._first = max(limits.UNPROTECTED_SECONDS, 10 * seconds)
        self._warn_after = max(self._warn_after, self._first)

    def begun(self) -> None:
        """A child is at work: whether it succeeded is learned late where the program is in C, so doubt is for it."""
        self._allow(self._engine.settings.require_within or 0.0)

    def ended(self, durable: bool) -> None:
        """The child has reported."""
        if durable:
            self.since = monotonic()
            self._warn_after = self._first
            self._set_alarms()
            self._tell_room()
        else:
            self._allow((self._engine.settings.require_within or 0.0) - self.gap)

    def _tell_room(self) -> None:
        """Once: that the disk is nearly full, which costs older restore points (retention.after_commit)."""
        free, floor = self._engine.room()
        if free < floor and not self._room_told:
            self._room_told = True
            say(
                f"{free / (1 << 30):.1f} GiB are free where the store is, less than the {floor / (1 << 30):.1f} that "
                f"should be: only {limits.KEEP_LAST_POINTS_SHORT} restore points, and labelled ones, are kept"
            )

    @property
    def gap(self) -> float:
        """Seconds since the newest restore point became durable."""
        return monotonic() - self.since

    def look(self) -> None:
        """Tell, if it is time. Called where Python runs, which knows best why."""
        gap = self.gap
        self._arm_stop()  # the reason may be known by now
        if self._watching and gap >= self._warn_after:
            self._warn_after = 2 * gap
            self._set_alarms()
            say(f"no restore point for {gap:.0f} s: {self._engine.obstacles.why()}\n{self._engine.obstacles.advice()}")

    def _set_alarms(self) -> None:
        if not self._watching:
            return
        gap = self.gap
        _native.guard_alarm(
            _WARN,
            self._warn_after - gap + _LATER_SECONDS,
            f"forkpoint: no restore point for more than {self._warn_after:.0f} s: the program has been inside of one "
            "call into C, where nothing can be committed\nforkpoint: shorter calls, or forkpoint.checkpoint() between "
            "them, would protect it",
        )
        self._allow((self._engine.settings.require_within or 0.0) - gap)

    def _allow(self, seconds: float) -> None:
        """So long may the program go on; for ever without `--require-within`."""
        self._until = monotonic() + seconds
        self._arm_stop()

    def _arm_stop(self) -> None:
        within, engine = self._engine.settings.require_within, self._engine
        if within is None or not self._watching:
            return
        words = (
            f"forkpoint: stopped: no restore point for {within:g} s, and --require-within allows no more: "
            f"{engine.obstacles.why()}"
        )
        if engine.parent:
            words += f"\nforkpoint: to go on from the last one: {command(engine.parent[:12], engine.store.path)}"
        _native.guard_alarm(_STOP, max(self._until - monotonic(), 0.001), words)
