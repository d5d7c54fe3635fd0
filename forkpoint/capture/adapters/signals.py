"""Signal handlers, the main thread's signal mask and interval timers. Put back after everything else."""

from __future__ import annotations

import signal
from typing import Any, Final

from forkpoint.capture.adapters._quiet import Quiet

_TIMERS: Final = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


def _ours(handler: Any) -> bool:
    return str(getattr(handler, "__module__", "")).partition(".")[0] == "forkpoint"


class _Signals(Quiet):
    name = "signals"
    module = "signal"

    def before_fork(self) -> dict[str, Any]:
        # Timers are not inherited by a child, and its mask is another. Handlers it still answers as in the program.
        return {
            "mask": sorted(int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            "timers": {which: signal.getitimer(which) for which in _TIMERS},
        }

    def capture(self, before: dict[str, Any]) -> dict[str, Any]:
        handlers = {int(number): signal.getsignal(number) for number in signal.valid_signals()}
        kept = {number: handler for number, handler in handlers.items() if handler is not None and not _ours(handler)}
        return {"handlers": kept, **before}

    def restore(self, state: dict[str, Any]) -> None:
        for number, handler in state["handlers"].items():
            now = signal.getsignal(number)
            if now != handler and not _ours(now) and number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, state["mask"])
        for which, (delay, interval) in state["timers"].items():
            if delay:
                signal.setitimer(which, delay, interval)


ADAPTER = _Signals()
