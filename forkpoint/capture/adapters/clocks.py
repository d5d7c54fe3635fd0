"""Clocks that only count (`time.monotonic`, `perf_counter`, `process_time`): they go on from where they were.

Otherwise a program that waits until a moment, or gives itself ten minutes, would see the time it was dead, or on
another machine a clock that begins at its start.
"""

from __future__ import annotations

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet


class _Clocks(Quiet):
    name = "clocks"
    module = "time"

    def before_fork(self) -> tuple[int, int, int]:
        return _native.clocks_read()

    def restore(self, state: tuple[int, int, int]) -> None:
        _native.clocks_go_on(*state)


ADAPTER = _Clocks()
