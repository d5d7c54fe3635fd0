"""Nothing of ours runs while importlib is on a module's lock: it would have to be entered twice (gh-106176)."""

from __future__ import annotations

import importlib._bootstrap as bootstrap
import sys
import time
from types import FrameType

from forkpoint import _native

SECONDS = 1.0
LOCKING = bootstrap._ModuleLock.acquire.__code__.co_filename  # type: ignore[attr-defined]


def test_no_tick_comes_in_between_the_steps_of_a_module_lock() -> None:
    interrupted = set()

    def tick() -> None:
        frame: FrameType | None = sys._getframe(1)
        assert frame is not None
        interrupted.add(frame.f_code.co_filename)
        with bootstrap._ModuleLockManager("another"):  # type: ignore[attr-defined]
            pass
        _native.ticks_interval(2e-5)

    _native.ticks_start(tick, 2e-5)
    try:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            for _ in range(100):
                with bootstrap._ModuleLockManager("one"):  # type: ignore[attr-defined]
                    pass
    finally:
        _native.ticks_stop()
    assert __file__ in interrupted
    assert LOCKING not in interrupted
