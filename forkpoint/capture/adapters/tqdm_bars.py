"""tqdm bars: usable again, on this process's streams, with the time they had run; the monitor thread made again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tqdm import _monitor, std, utils

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_CLOCKS: Final = ("start_t", "last_print_t")
_MADE_HERE: Final = frozenset({"sp"})


def reduce_bar(bar: Any, context: ReduceContext) -> Any:
    """A bar by its attributes; what it prints with is made again, the length of its last line is kept."""
    listed = bar in type(bar)._instances
    state = (attributes(bar, _MADE_HERE), bar._time() if hasattr(bar, "_time") else None, _last_length(bar))
    return make_bar, (type(bar), listed), state, None, None, fill_bar


def _last_length(bar: Any) -> int | None:
    printer = vars(bar).get("sp")
    for cell in getattr(printer, "__closure__", None) or ():
        if isinstance(cell.cell_contents, list):
            return int(cell.cell_contents[0])
    return None


def make_bar(cls: Any, listed: bool) -> Any:
    """A bar without attributes, among the live ones if it was; starts the monitor thread as the first bar does."""
    if listed:
        return std.tqdm.__new__(cls)
    return object.__new__(cls)


def fill_bar(bar: Any, state: tuple[Any, float | None, int | None]) -> None:
    """Its attributes, clocks moved on by the time the program was not running."""
    saved, then, length = state
    fill(bar, saved)
    if then is not None:
        away = bar._time() - then
        for clock in _CLOCKS:
            if hasattr(bar, clock):
                setattr(bar, clock, getattr(bar, clock) + away)
    if length is not None:
        bar.sp = bar.status_printer(bar.fp)
        for cell in bar.sp.__closure__:
            if isinstance(cell.cell_contents, list):
                cell.cell_contents[0] = length


def reduce_monitor(monitor: Any, context: ReduceContext) -> Any:
    """The thread that looks after the bars of a class. tqdm keeps one alive for good, and an exit function names it."""
    return make_monitor, (monitor.tqdm_cls, monitor.sleep_interval, monitor.is_alive())


def make_monitor(cls: Any, interval: float, alive: bool) -> Any:
    """The one that the class has in this process, or else a new one."""
    if alive and cls.monitor is not None and cls.monitor.report():
        return cls.monitor
    monitor = _monitor.TMonitor(cls, interval)
    if alive:
        cls.monitor = monitor
    else:
        monitor.exit()
    return monitor


def reduce_wrapper(wrapper: Any, context: ReduceContext) -> Any:
    """tqdm's wrapper of a stream, whose `__getattr__` sends plain unpickling into endless recursion."""
    wrapped = object.__getattribute__(wrapper, "_wrapped")
    if type(wrapper) is not utils.DisableOnWriteError:
        return make_wrapper, (type(wrapper),), attributes(wrapper), None, None, fill_wrapper
    bar = None
    for function in (vars(wrapper).get("write"), vars(wrapper).get("flush")):
        for cell in getattr(function, "__closure__", None) or ():
            close: Any = getattr(cell.cell_contents, "close", None)  # through a weak proxy, to the bar itself
            if isinstance(getattr(close, "__self__", None), std.tqdm):
                bar = close.__self__
    return make_disabling_wrapper, (wrapped, bar)


def make_wrapper(cls: type) -> Any:
    """A wrapper without attributes."""
    return object.__new__(cls)


def fill_wrapper(wrapper: Any, state: Any) -> None:
    """The wrapped stream and the wrapping functions."""
    for name, value in state[0].items():
        object.__setattr__(wrapper, name, value)


def make_disabling_wrapper(wrapped: Any, bar: Any) -> Any:
    """The wrapper that silences `bar` when its stream breaks."""
    return utils.DisableOnWriteError(wrapped, tqdm_instance=bar)


def _held(lock: Any) -> int:
    """How many times this thread holds an RLock; 0 if another does."""
    if not lock._is_owned():
        return 0
    count = re.search(r"count=(\d+)", repr(lock))
    return int(count[1]) if count else 1


class _Bars(Quiet):
    name = "tqdm_bars"
    module = "tqdm.std"

    def reducers(self) -> Mapping[type, Reducer]:
        return {std.tqdm: reduce_bar, _monitor.TMonitor: reduce_monitor, utils.ObjectWrapper: reduce_wrapper}

    def before_fork(self) -> dict[str, int]:
        # A commit may fall between a bar's acquire and release; locks of a library are not saved as objects.
        if not hasattr(std.tqdm, "_lock"):
            return {"thread": 0, "process": 0}
        semaphore = getattr(getattr(std.TqdmDefaultWriteLock, "mp_lock", None), "_semlock", None)
        held = 0 if semaphore is None or not semaphore._is_mine() else semaphore._count()
        return {"thread": _held(std.TqdmDefaultWriteLock.th_lock), "process": held}

    def restore(self, state: dict[str, int]) -> None:
        if any(state.values()):
            std.tqdm.get_lock()
        for _ in range(state["process"]):
            std.TqdmDefaultWriteLock.mp_lock.acquire()
        for _ in range(state["thread"]):
            std.TqdmDefaultWriteLock.th_lock.acquire()


ADAPTER = _Bars()
