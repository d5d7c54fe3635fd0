"""The only fork, both sides on one screen."""

from __future__ import annotations

import _imp
import os
from collections.abc import Sequence

from forkpoint import _native
from forkpoint.errors import CommitFailed
from forkpoint.snapshot import child, reaper
from forkpoint.snapshot.child import Body, ChildSide
from forkpoint.snapshot.page import SharedPage
from forkpoint.snapshot.pipe import ReportPipe
from forkpoint.snapshot.reaper import ChildHandle

__all__ = ["ChildHandle", "ChildSide", "fork"]


def fork(
    body: Body,
    *,
    keep_fds: Sequence[int] = (),
    deadline_seconds: float,
    log_fd: int | None = None,
    staging: tuple[int, int, bytes, bool] | None = None,
) -> ChildHandle:
    """Freeze the program: `body(side)` runs in a child with the memory as it is now, the program goes on at once.

    Main thread only, at a safe point. The child keeps the descriptors `keep_fds` (3 and above), nothing else of the
    program's; what it prints goes to `log_fd`, or nowhere. `staging` (`Staging.request`) is copied for it. It is killed
    when it takes longer than `deadline_seconds`.
    Raises `CommitFailed` when there can be no child, with nothing left open. If the program dies from here on, the
    child finishes alone.
    """
    reaper.collect()
    try:
        pipe = ReportPipe()
    except OSError as problem:
        raise CommitFailed(f"no descriptors left for a commit: {problem.strerror}") from problem
    try:
        page = SharedPage()
    except OSError as problem:
        pipe.close()
        raise CommitFailed(f"no memory left for a commit: {problem.strerror}") from problem
    try:
        _imp.acquire_lock()  # Waits here, if at all, while the program is still whole (native/forkside.c).
        try:
            log = -1 if log_fd is None else log_fd
            pid, pidfd, _, staged_ns, staged_bytes = _native.fork((*keep_fds, pipe.writer), log, staging)
        finally:
            _imp.release_lock()
    except BaseException as problem:
        pipe.close()
        page.close()
        if isinstance(problem, OSError):
            raise CommitFailed(f"the program cannot be forked: {problem.strerror}") from problem
        raise
    if pid == 0:
        os.set_blocking(pipe.writer, True)
        child.live(ChildSide(pipe.writer, page), body, deadline_seconds)
    pipe.close_writer()
    return ChildHandle(pid, pidfd, pipe, page, deadline_seconds, (staged_ns / 1e9, staged_bytes))
