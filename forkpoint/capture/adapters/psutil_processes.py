"""psutil's view of the program's own process: after a restore it is of the process that goes on.

`psutil.Process()` is made once and asked at each epoch what memory there is. Of any other process it stays that very
process, which may be gone: psutil says so, as it does in a run that was never killed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import psutil

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def reduce_process(process: Any, context: ReduceContext) -> Any:
    """The program's own anew, with what the program put there; another one's by its attributes."""
    if process.pid != ADAPTER.program:
        return make_process, (type(process), attributes(process))
    return make_own_process, (type(process), attributes(process, frozenset(vars(psutil.Process()))))


def make_process(kind: Any, state: Any) -> Any:
    """One with these attributes: all of them at once, since it is hashed by them."""
    made = kind.__new__(kind)
    fill(made, state)
    return made


def make_own_process(kind: Any, state: Any) -> Any:
    """One of this process."""
    own, slots = state or ({}, {})
    return make_process(kind, (vars(psutil.Process()) | own, slots))


class _Processes(Quiet):
    name = "psutil_processes"
    module = "psutil"
    program = -1
    """The process that is being saved; the child that saves it has another number."""

    def reducers(self) -> Mapping[type, Reducer]:
        return {psutil.Process: reduce_process}

    def before_fork(self) -> None:
        self.program = os.getpid()


ADAPTER = _Processes()
