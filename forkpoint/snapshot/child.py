"""The child's whole life, from just after the fork to its end; it never becomes the program again."""

from __future__ import annotations

import _thread
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from forkpoint import _native, report
from forkpoint.errors import Refused
from forkpoint.report import Report
from forkpoint.snapshot.page import SharedPage, Split


class ChildSide:
    """What the work in the child may use of the snapshot stage."""

    __slots__ = ("_page", "report_fd")

    def __init__(self, report_fd: int, page: SharedPage) -> None:
        self.report_fd = report_fd
        """Where the one report goes; the committer gets it, too."""
        self._page = page

    def nearly_done(self) -> None:
        """Tell the program what CPU time this has taken."""
        self._page.set_cpu(time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID))

    def split(self) -> Split:
        """Where the stop's time went, once the program has told; ask late. Never waits."""
        return self._page.read()


Body = Callable[[ChildSide], object]


def live(side: ChildSide, body: Body, deadline_seconds: float) -> NoReturn:
    """Run `body` to its end: it ends with the committer, returns a `Report`, or raises.

    `Refused` is answered with N and its reason, any other exception with F, message and where it came from. Whatever
    happens, this process ends here, by `_exit` or by SIGKILL at the deadline.
    """
    status = os.EX_SOFTWARE
    try:
        _native.die_after(deadline_seconds)
        _free_locks_of_other_threads()
        answer = body(side)
        if not isinstance(answer, Report):
            answer = Report("F", message="the work in the child ended without an answer")
        report.send(side.report_fd, answer)
        status = os.EX_OK
    except Refused as refused:
        report.send(side.report_fd, Report("N", message="\n".join(filter(None, (refused.reason, refused.location)))))
        status = os.EX_OK
    except BaseException as problem:  # noqa: BLE001 - the child's last word, whatever ends it
        report.send(side.report_fd, Report("F", message=_in_words(problem)))
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)


def _in_words(problem: BaseException) -> str:
    """What was raised, then the calls it came through, innermost first: the report keeps the beginning."""
    lines = traceback.format_exception_only(problem)
    calls = traceback.extract_tb(problem.__traceback__)
    lines += [f"  at {call.filename}:{call.lineno} in {call.name}\n" for call in reversed(calls)]
    return "".join(lines).strip()


def _free_locks_of_other_threads() -> None:
    """Free the interpreter's own locks whose holders do not exist here: what the at-fork hooks of threading and logging
    would have done, without the rest of what those do. A lock this thread holds stays held: it is part of its state.
    """
    bootstrap = sys.modules["_frozen_importlib"]
    bootstrap._module_locks.clear()
    bootstrap._blocking_on.clear()
    locks: list[Any] = []
    if threading := sys.modules.get("threading"):
        locks += [threading._active_limbo_lock]
    if logging := sys.modules.get("logging"):
        locks += [logging._lock, *(getattr(handler(), "lock", None) for handler in logging._handlerList)]
    for lock in locks:
        if isinstance(lock, _thread.RLock) and not lock._is_owned():  # type: ignore[attr-defined]
            lock._at_fork_reinit()  # type: ignore[attr-defined]
