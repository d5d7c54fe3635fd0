"""How worker processes begin when they are made again: under the names and numbers they had, and without what a pool's
initializer printed then."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing.process as processes  # noqa: TID251 - workers are the program's own
import os
import sys
from typing import Any, Final

_OUTPUTS: Final = (1, 2)


def unheard(initializer: Any, arguments: tuple[Any, ...]) -> None:
    """In the worker: its initializer, whose output is there already."""
    if initializer is None:
        return
    kept = [os.dup(fd) for fd in _OUTPUTS]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for fd in _OUTPUTS:
            os.dup2(nowhere, fd)
        initializer(*arguments)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
    finally:
        for fd, original in zip(_OUTPUTS, kept, strict=True):
            os.dup2(original, fd)
            os.close(original)
        os.close(nowhere)


def next_number() -> int:
    """What the next process that the program starts would be called by."""
    # Its `__reduce__`, which tells too, warns from 3.12 on.
    return int(repr(processes._process_counter)[len("count(") : -1])  # type: ignore[attr-defined]


def count_on(number: int) -> None:
    """Processes that are started from here on are called by `number` and those after it."""
    processes._process_counter = itertools.count(number)  # type: ignore[attr-defined]
