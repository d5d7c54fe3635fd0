"""What `forkpoint.checkpoint()` returns: one restore point as its program sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forkpoint.report import Report

Poll = Callable[[float | None], Report | None]


class Checkpoint:
    """One checkpoint. Like fork(), the call that made it returns again in a restored process, `restored` True.

    `id` is the restore point's id, None when none was begun; `reason` then says why. Nothing here keeps a process or
    a descriptor alive; copies in a restored program know how the point ended, not how to wait for it.
    """

    __slots__ = ("_poll", "_reason", "_report", "id", "restored")

    def __init__(
        self, point: str | None, *, restored: bool = False, reason: str = "", poll: Poll | None = None
    ) -> None:
        self.id = point
        self.restored = restored
        self._reason = reason
        self._poll = poll
        self._report: Report | None = None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the outcome is known, at most `timeout` seconds; True when the point is durable."""
        self._ask(timeout)
        return self.durable

    def done(self) -> bool:
        """Whether the outcome is known. Never blocks."""
        self._ask(0.0)
        return self._poll is None

    @property
    def durable(self) -> bool:
        """True once the point is acknowledged: it survives kill -9 and power loss from then on."""
        self._ask(0.0)
        return self.restored or (self._report is not None and self._report.status == "K")

    @property
    def reason(self) -> str:
        """Why the point is not durable; empty while that is open, and when it is."""
        self._ask(0.0)
        if self._report is None or self._report.status == "K":
            return self._reason
        return self._report.message or "the outcome is unknown"

    def _ask(self, timeout: float | None) -> None:
        if self._poll is None:
            return
        report = self._poll(timeout)
        if report is not None:
            self._report, self._poll = report, None

    def __reduce__(self) -> tuple[Any, ...]:
        # Read in the forked child: a point still open there is the one being taken, or one it waited for.
        durable = self.restored or self._report is None or self._report.status == "K"
        return _remembered, (self.id, durable and self.id is not None, self._reason)

    def __repr__(self) -> str:
        state = "restored" if self.restored else "durable" if self.durable else self.reason or "under way"
        return f"<forkpoint.Checkpoint {self.id or '-'} {state}>"


def _remembered(point: str | None, durable: bool, reason: str) -> Checkpoint:
    """A checkpoint object found among a restored program's variables."""
    checkpoint = Checkpoint(point, reason=reason)
    if durable:
        checkpoint._report = Report("K", point or "")
    return checkpoint
