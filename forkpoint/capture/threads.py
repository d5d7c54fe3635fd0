"""Threads and child processes that stand in the way of a commit: what they do would be missing after a restore.

Known harmless ones are left out: those that wait for work that is not there (idle pools), those an adapter makes
again (tqdm's monitor, TensorBoard's writer), Python's own helpers, forkpoint's own. Native threads without any Python
frame (BLAS, OpenMP, torch) are no Python threads and never show here.
"""

from __future__ import annotations

import fnmatch
import os
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from types import FrameType
from typing import Any, Final

from forkpoint.capture import ambient

_MADE_AGAIN: Final = frozenset({"TMonitor", "_AsyncWriterThread"})
"""Thread classes whose adapters start them again."""

_WAITING_IN: Final = frozenset(
    {
        ("concurrent.futures.thread", "_worker"),
        ("concurrent.futures.process", "wait_result_broken_or_wakeup"),
        ("joblib.externals.loky.process_executor", "wait_result_broken_or_wakeup"),
        ("joblib.externals.loky.backend.queues", "_feed"),
        ("multiprocessing.pool", "worker"),
        ("multiprocessing.pool", "_handle_tasks"),
        ("multiprocessing.pool", "_handle_results"),
        ("multiprocessing.pool", "_handle_workers"),
        ("multiprocessing.queues", "_feed"),
        ("rich.live", "run"),
        ("lightning.pytorch.callbacks.progress.rich_progress", "run"),
        ("pytorch_lightning.callbacks.progress.rich_progress", "run"),
    }
)
"""Functions of pools whose threads, while nothing is handed to them, sit right here or in a wait called from here; and
of a live display's thread, which an adapter starts again, between two drawings."""

_LOOPS: Final = frozenset({"zarr_io", "fsspecIO"})
"""Names of threads in which libraries run an asyncio loop of their own, and make another one when it is missing."""

_WAITS: Final = frozenset(
    {"threading", "queue", "selectors", "multiprocessing.connection", "multiprocessing.pool", "multiprocessing.queues"}
)
"""Modules in which such a thread waits."""

_HELPERS: Final = (
    "multiprocessing.resource_tracker",
    "multiprocessing.forkserver",
    "loky.backend.resource_tracker",
    "loky/backend/resource_tracker",
)
"""Words in the command line of child processes that hold no state of the program. What it forks has its own command
line, in which forkpoint is named: our own are told by their exit signal."""


def blockers(ignore: Sequence[str] = (), own_pids: Collection[int] = ()) -> tuple[str, ...]:
    """Names of live threads and children that make a restore point of this moment incomplete; empty if none.

    `ignore` are globs on thread names and child process names the user takes the blame for. `own_pids` are forkpoint's
    own children. Costs tens of microseconds plus some for each thread and child; starts nothing, reaps nothing.
    """
    found = [*_threads(), *_children(frozenset(own_pids))]
    return tuple(name for name in found if not any(fnmatch.fnmatchcase(name, glob) for glob in ignore))


def _threads() -> Iterator[str]:
    frames = _other_frames()
    main = threading.main_thread()
    for thread in threading.enumerate():
        frame = frames.pop(thread.ident or 0, None)
        if thread is main or frame is None or type(thread).__name__ in _MADE_AGAIN:
            continue
        if not _is_ours(frame) and not _idle(thread, frame):
            yield thread.name
    for frame in frames.values():
        if not _is_ours(frame):
            yield f"a thread in {frame.f_code.co_name}"


def _other_frames() -> dict[int, FrameType]:
    """The innermost frame of each thread but this one.

    With this thread's own frame in it the dict would be part of a cycle of its own making, and the collector crashes on
    such a cycle together with frames that other threads are running (CPython 3.12.1).
    """
    frames = sys._current_frames()
    del frames[threading.get_ident()]
    return frames


def _modules(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    while frame is not None:
        yield str(frame.f_globals.get("__name__")), frame.f_code.co_name
        frame = frame.f_back


def _is_ours(frame: FrameType) -> bool:
    return any(module.partition(".")[0] == "forkpoint" for module, _ in _modules(frame))


def _idle(thread: threading.Thread, frame: FrameType) -> bool:
    """Whether a pool's thread waits, with nothing queued: its innermost frames are its own wait, then its loop."""
    if thread.name in _LOOPS:
        return _idle_loop(frame)
    for place in _modules(frame):
        if place in _WAITING_IN:
            return not _queued(thread)
        if place[0] not in _WAITS:
            return False
    return False


def _idle_loop(frame: FrameType) -> bool:
    """Whether an asyncio loop waits for something to do, and there is nothing that it has begun."""
    if frame.f_code.co_name != "select" or frame.f_back is None or frame.f_back.f_code.co_name != "_run_once":
        return False
    loop: Any = frame.f_back.f_locals["self"]
    return not (loop._ready or loop._scheduled or sys.modules["asyncio.tasks"].all_tasks(loop))


def _queued(thread: threading.Thread) -> bool:
    """Whether work is on its way to this pool, or its results on their way back."""
    arguments: tuple[Any, ...] = getattr(thread, "_args", ()) or ()
    for argument in arguments:
        if type(argument).__name__ in ("SimpleQueue", "Queue") and hasattr(argument, "qsize") and argument.qsize():
            return True
        if isinstance(argument, dict) and argument and thread.name.endswith("(_handle_results)"):
            return True  # multiprocessing.Pool's cache: results not yet delivered
    if getattr(thread, "pending_work_items", None):
        return True  # the manager thread of a process pool
    executor = arguments[0]() if arguments and callable(arguments[0]) else None
    queue = getattr(executor, "_work_queue", None)
    return bool(queue is not None and queue.qsize())


def _children(own: Collection[int]) -> Iterator[str]:
    idle = _idle_pool_pids() | ambient.children()
    for pid in _child_pids():
        if pid in own or pid in idle:
            continue
        described = _describe(pid)
        if described is not None:
            yield described


def _child_pids() -> set[int]:
    found: set[int] = set()
    try:  # One call where there is none. Children that do not signal their end, such as ours, do not count.
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return found
    try:
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/children", "rb") as children:
                found.update(map(int, children.read().split()))
    except FileNotFoundError:
        pass  # a thread that just ended, or a kernel without CONFIG_PROC_CHILDREN
    return found


def _describe(pid: int) -> str | None:
    """A name for a live child that matters, None for one that does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")
        with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
            words = os.fsdecode(cmdline.read()).rstrip("\0").split("\0")
    except OSError:
        return None
    state, exit_signal = fields[2].split()[0], int(fields[2].split()[35])
    if state == b"Z" or exit_signal == 0:  # ended; or made invisible to the program, as forkpoint's children are
        return None
    if any(helper in " ".join(words) for helper in _HELPERS):
        return None
    name = os.fsdecode(fields[0].partition(b"(")[2])
    return f"child process {pid} ({name}): {' '.join(words)[:80]}"


def _idle_pool_pids() -> frozenset[int]:
    """Workers of multiprocessing and loky pools that have nothing to do, as their managing threads list them."""
    if "multiprocessing.process" not in sys.modules:
        return frozenset()
    frames = _other_frames()
    pids: set[int] = set()
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is not None and _idle(thread, frame):
            for held in (*(getattr(thread, "_args", None) or ()), getattr(thread, "processes", None)):
                workers = held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()
                pids.update(pid for worker in workers if (pid := getattr(worker, "pid", None)) is not None)
    return frozenset(pids)
