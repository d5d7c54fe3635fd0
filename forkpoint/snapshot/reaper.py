"""How a child ended, learned without blocking the program."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from time import monotonic
from typing import Final

from forkpoint import report
from forkpoint.report import Report
from forkpoint.snapshot.hang import LOOK_SECONDS, HangWatch
from forkpoint.snapshot.page import SharedPage, Split
from forkpoint.snapshot.pipe import ReportPipe

_WALL: Final = 0x40000000
"""Linux __WALL: also wait for children whose exit signal is not SIGCHLD (wait(2))."""

_POLL_SECONDS: Final = 0.05
"""Granularity of `wait` where the kernel has no pidfd."""


_HEAD_START_SECONDS: Final = 0.1
"""The child's own deadline began with the fork, ours when it was over."""

_PIPE_SECONDS: Final = 30.0
"""How long after the child's end its committer may still have the pipe: it is killed once its memory has been
given back, which takes seconds where there is much. Longer has it only who got it from the program's own code.
"""


class ChildHandle:
    """One forked child as the program knows it. Useless (`?`) in any other process, such as the program's own forks.

    The report may come before the child is gone; `poll` and `wait` collect it when it is, and so does the next fork
    (see `collect`). If the program dies, the child goes on alone.
    """

    __slots__ = (
        "_cpu", "_deadline", "_ended", "_hang", "_killed", "_owner", "_page", "_pid", "_pidfd", "_pipe", "_report",
        "_silent", "_until", "staged",
    )  # fmt: skip

    def __init__(
        self,
        pid: int,
        pidfd: int,
        pipe: ReportPipe,
        page: SharedPage,
        deadline_seconds: float,
        staged: tuple[float, int] = (0.0, 0),
    ) -> None:
        self.staged = staged
        """Seconds and bytes of memory copied aside before the fork."""
        self._pid = pid
        self._pidfd = pidfd
        self._pipe = pipe
        self._page = page
        self._deadline = monotonic() + deadline_seconds
        self._hang = HangWatch()
        self._report: Report | None = None
        self._cpu = 0.0
        self._killed = ""
        self._ended = ""
        """How the child ended, once it has. Its committer may live a little longer."""
        self._until = 0.0
        self._silent = False
        self._owner = os.getpid()
        _living.append(self)

    @property
    def pid(self) -> int:
        """The child's process id, for messages only: signals go through `kill`."""
        return self._pid

    @property
    def cpu_seconds(self) -> float:
        """The CPU time that the child has used, from when it reported success on; its committer's not counted."""
        return self._cpu if self.gone else self._page.cpu()

    @property
    def gone(self) -> bool:
        """Whether the child has been collected and holds no descriptor of ours any more."""
        return self._pid == 0

    def publish(self, *, wait: float, capture: float, fork: float, stop: float) -> None:
        """Tell the child how long, in seconds, the program waited, captured, forked (staging memory included) and was
        stopped in all.
        """
        if not self.gone:
            stage = self.staged[0]
            self._page.tell(Split(1000 * wait, 1000 * capture, 1000 * stage, 1000 * (fork - stage), 1000 * stop))

    def poll(self) -> Report | None:
        """How the commit ended, or None while that is open. Never blocks; kills a child that hangs or is too late."""
        if self._owner != os.getpid():
            return self._report or Report("?", message="this is the child of another process")
        if not self.gone:
            self._receive()
            self._collect()
        if self._report is None and not self._killed and not self._ended:
            now = monotonic()
            if now > self._deadline:
                self.kill("killed at its deadline")
            elif self._hang.hangs(self._pid, now):
                self.kill("killed, as it hung on a lock that another thread of the program held")
        return self._report

    def wait(self, timeout: float | None = None) -> Report | None:
        """As `poll`, but waits up to `timeout` seconds (None: as long as the child's deadline lets it live)."""
        until = None if timeout is None else monotonic() + timeout
        while (found := self.poll()) is None:
            now = monotonic()
            if until is not None and now >= until:
                return None
            pause = LOOK_SECONDS if until is None else min(LOOK_SECONDS, until - now)
            self._sleep(pause if self._killed or self._ended else min(pause, max(self._deadline - now, 0.0)))
        return found

    def kill(self, why: str = "killed") -> None:
        """End the child now; what it had not made durable is not there. `poll` then answers `?` with `why`."""
        if self.gone or self._ended or self._owner != os.getpid():
            return
        self._killed = why
        with contextlib.suppress(ProcessLookupError):
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            else:
                os.kill(self._pid, signal.SIGKILL)  # Not collected yet, so the number is still its own.

    def _receive(self) -> None:
        """Take the record if it is there. An end of file says nothing yet: `_collect` knows how the child ended."""
        if self._report is None and not self._silent and (record := self._pipe.receive()) is not None:
            self._silent = not record
            if record:
                self._report = report.decode(record)

    def _collect(self) -> None:
        """If the child is gone, free all that was held for it; without a record its outcome is unknown.

        Not before the end of the pipe: a committer that outlived the child would make an older state the newest, behind
        the commit that the program begins next (stress/model/handover.pml).
        """
        if not self._ended:
            self._ended = self._end()
            self._until = monotonic() + _PIPE_SECONDS
        if not self._ended:
            return
        self._receive()  # What it wrote between the look before and its end.
        if self._report is None:
            if not self._silent and monotonic() < self._until:
                return
            self._report = Report("?", message=f"the child ended without a report ({self._killed or self._ended})")
        _living.remove(self)
        self._pid = 0
        self._pipe.close()
        self._cpu = self._page.cpu()
        self._page.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _end(self) -> str:
        """How the child ended, in words; nothing while it lives."""
        by, number = (os.P_PIDFD, self._pidfd) if self._pidfd >= 0 else (os.P_PID, self._pid)
        try:
            ended = os.waitid(by, number, os.WEXITED | os.WNOHANG | _WALL)
        except ChildProcessError:
            return "somebody else collected it"
        if ended is None:
            return ""
        in_time = monotonic() < self._deadline - _HEAD_START_SECONDS
        return _in_words(ended) if in_time else "killed at its deadline"

    def _sleep(self, seconds: float) -> None:
        """Until the pipe or the child has news, or `seconds` are over. Signals of the program are handled meanwhile."""
        poller = select.poll()
        if not self._silent:
            poller.register(self._pipe.reader, select.POLLIN)
        if self._pidfd >= 0 and not self._ended:
            poller.register(self._pidfd, select.POLLIN)
        elif self._pidfd < 0:
            seconds = min(seconds, _POLL_SECONDS)
        poller.poll(1000 * seconds + 1)


_living: list[ChildHandle] = []


def collect() -> None:
    """Collect children that reported and have ended since, so that no zombie and no descriptor stays behind."""
    for handle in tuple(_living):
        handle.poll()


def _in_words(ended: os.waitid_result) -> str:
    """The child passes on how its committer ended: 128 + n for signal n (native/beside.c)."""
    signum = ended.si_status if ended.si_code != os.CLD_EXITED else ended.si_status - 128
    if signum > 0:
        try:
            return f"ended by {signal.Signals(signum).name}"
        except ValueError:
            return f"ended by signal {signum}"
    return f"exit status {ended.si_status}"
