"""Locks as free or held by this thread, and the other objects of threading."""

from __future__ import annotations

import _thread
import queue
import re
import threading
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode import library
from forkpoint.encode.instances import member_slots, read_slots
from forkpoint.encode.reducers import Context, reduces
from forkpoint.errors import Refused


def make_lock(held: bool) -> Any:
    """A lock; a held one is held by the thread that restores, which is the main thread."""
    lock = _thread.allocate_lock()
    if held:
        lock.acquire()
    return lock


@reduces(_thread.LockType)
def _reduce_lock(obj: Any, context: Context) -> Any:
    return make_lock, (obj.locked(),)


def make_recursive_lock(count: int) -> Any:
    """A re-entrant lock, acquired that often."""
    lock = threading.RLock()
    for _ in range(count):
        lock.acquire()
    return lock


@reduces(_thread.RLock)
def _reduce_recursive_lock(obj: Any, context: Context) -> Any:
    held = re.search(r"count=(\d+)", repr(obj))
    return make_recursive_lock, (int(held[1]) if held and obj._is_owned() else 0,)


def require_free(lock: Any, path: tuple[str, str]) -> None:
    """Raise Refused if a lock that a library owns is held.

    It is named, not saved, and free in a new process: giving it back there fails, or lets two in.
    """
    recursive = type(lock) is _thread.RLock
    if lock._is_owned() if recursive else lock.locked():
        raise Refused(f"the lock {'.'.join(path)} is held", hint="commits are taken when it is given back")


LOCKS: Final = frozenset({_thread.LockType, _thread.RLock})


def make_local(kind: type) -> Any:
    """A threading.local, without running the __init__ of a subclass."""
    return _thread._local.__new__(kind)


@reduces(_thread._local, subclasses=True)
def _reduce_local(obj: Any, context: Context) -> Any:
    attributes = dict(_thread._local.__getattribute__(obj, "__dict__"))
    slots = read_slots(obj, member_slots(type(obj)))
    return make_local, (type(obj),), (attributes, slots), None, None, fill_local


def fill_local(obj: Any, state: tuple[dict[str, Any], list[tuple[type, str, Any]]]) -> None:
    """This thread's attributes."""
    _thread._local.__getattribute__(obj, "__dict__").update(state[0])
    for cls, name, value in state[1]:
        vars(cls)[name].__set__(obj, value)


def main_thread() -> threading.Thread:
    """The thread object of the main thread."""
    return threading.main_thread()


def _return() -> None:
    return


_PROCESS_STATE = frozenset({"_tstate_lock", "_handle"})


def fill_thread(thread: Any, attributes: dict[str, Any]) -> None:
    """A thread that has not started, or has ended."""
    _native.instance_fill(thread, attributes)
    started = attributes["_started"].is_set()
    threads: Any = _thread
    if hasattr(threads, "_ThreadHandle"):
        thread._handle = threads._ThreadHandle()
        if started:  # only a thread that ran has a handle that says so
            threads.start_joinable_thread(_return, handle=thread._handle)
            thread._handle.join()
    else:
        thread._tstate_lock = None
    if not started:
        threading._dangling.add(thread)  # type: ignore[attr-defined]


def _has_run(thread: Any) -> bool:
    """Whether nothing is left of it but the interpreter's own end of a thread: `run` is over, and the thread has left
    the table of those that are active (Thread._bootstrap_inner).
    """
    active: Any = threading
    return all(thread is not each for each in [*active._active.values(), *active._limbo.values()])


@reduces(threading.Thread, subclasses=True)
def _reduce_thread(obj: Any, context: Context) -> Any:
    if obj is threading.main_thread():
        return main_thread, ()
    if obj.is_alive() and not _has_run(obj):
        return context.tombstone(obj, "a running thread cannot be saved")
    attributes = {name: value for name, value in obj.__dict__.items() if name not in _PROCESS_STATE}
    if "_is_stopped" in attributes:  # up to 3.12: until somebody asks
        attributes["_is_stopped"] = attributes["_started"].is_set()
    return library.new_by_object, (type(obj),), attributes, None, None, fill_thread


def make_simple_queue(items: list[Any]) -> Any:
    """A SimpleQueue with these items."""
    made: Any = queue.SimpleQueue()
    for item in items:
        made.put(item)
    return made


@reduces(queue.SimpleQueue)
def _reduce_simple_queue(obj: Any, context: Context) -> Any:
    """Only taking the items out shows them: they are put back at once, nobody else runs meanwhile."""
    items = []
    while not obj.empty():
        items.append(obj.get_nowait())
    for item in items:
        obj.put(item)
    return make_simple_queue, (items,)
