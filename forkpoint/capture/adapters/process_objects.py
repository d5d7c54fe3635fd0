"""multiprocessing: Process objects that have not begun or are over, and the key by which processes of a program know
each other, whose class refuses to be pickled so that none is sent anywhere; a store is guarded as the program is.

A process answers only its parent, which it knows by number: that is the restored program's new one. Commits wait while
one runs (`capture.threads`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from multiprocessing import popen_fork, process  # noqa: TID251 - the program's own
from typing import Any

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_process: Any = process
_Key: Any = _process.AuthenticationString
_PARENT = "_parent_pid"


def reduce_key(key: Any, context: ReduceContext) -> Any:
    """By its bytes."""
    return make_key, (bytes(key),)


def make_key(content: bytes) -> Any:
    """A key."""
    return _Key(content)


def reduce_process(of_program: Any, context: ReduceContext) -> Any:
    """By its attributes; the program's number is left out."""
    own = frozenset({_PARENT} if getattr(of_program, _PARENT, None) == ADAPTER.program else ())
    state = (bool(own), attributes(of_program, own))
    return make_object, (type(of_program),), state, None, None, fill_process


def make_object(cls: Any) -> Any:
    """One without attributes."""
    return cls.__new__(cls)


def fill_process(made: Any, state: tuple[bool, Any]) -> None:
    """Its attributes, and this process's number as its parent's, if it was the program's own."""
    is_own, named = state
    fill(made, named)
    if is_own:
        setattr(made, _PARENT, os.getpid())


def reduce_popen(popen: Any, context: ReduceContext) -> Any:
    """A process that was begun, by its attributes; how it ended, though nobody has asked yet."""
    own, slots = attributes(popen) or ({}, {})
    if own.get("returncode") is None and "pid" in own:
        own["returncode"] = ADAPTER.ended.get(own["pid"])
    return make_object, (type(popen),), (own, slots), None, None, fill


def _ended_with(pid: int) -> int | None:
    """The exit code of a process that waits to be asked for it; None for another one."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return os.waitstatus_to_exitcode(int(fields[-1])) if fields[0] == b"Z" else None


class _Processes(Quiet):
    name = "process_objects"
    module = "multiprocessing.process"
    program = 0
    """The program's number, which its child has not."""
    ended: Mapping[int, int | None] = {}
    """The exit codes of processes that the program has not asked yet, and may ask at once."""

    def before_fork(self) -> None:
        self.program = os.getpid()
        waiting = [each._popen.pid for each in list(_process._children) if each._popen is not None]
        self.ended = {pid: _ended_with(pid) for pid in waiting}

    def reducers(self) -> Mapping[type, Reducer]:
        return {_Key: reduce_key, process.BaseProcess: reduce_process, popen_fork.Popen: reduce_popen}


ADAPTER = _Processes()
