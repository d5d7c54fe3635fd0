"""A DataLoader's worker made again: it does once more all it had done, unheard, and then goes on.

So its random states, and whatever its dataset keeps, are what they were; torch's own worker loop runs unchanged,
between two queues of ours.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

_OUTPUTS: Final = (1, 2)

Past = tuple[Any, bool]
"""What a worker was told (the indices of a batch, that an epoch begins, or None: to end), and whether its answer is
still awaited."""

_OVER: Final = object()


def work(loop: Callable[..., None], arguments: Iterable[Any], past: list[Past], ready: Any) -> None:
    """Run torch's worker `loop` after `past`. In `arguments` its two queues stand under their names."""
    told = _Unheard(past, ready)
    loop(*(told.instead_of(argument) for argument in arguments))


class Queue:
    """Stands among a worker's arguments for one of its queues, until that is made."""

    def __init__(self, role: str, queue: Any = None) -> None:
        self.role = role
        self.queue = queue


class _Unheard:
    """What the worker's two queues share: whether the answer that comes next is awaited."""

    def __init__(self, past: list[Past], ready: Any) -> None:
        self._past = past
        self._next = 0
        self._ready = ready
        self._heard = False
        self._silenced = [os.dup(fd) for fd in _OUTPUTS]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in _OUTPUTS:
            os.dup2(nowhere, fd)
        os.close(nowhere)

    def instead_of(self, argument: Any) -> Any:
        if not isinstance(argument, Queue):
            return argument
        return {"told": _Tells, "answers": _Answers}.get(argument.role, _itself)(argument.queue, self)

    def tell(self) -> Any:
        """The next of the past, or _OVER. What was printed up to the first awaited answer was printed already, and all
        of it by a worker that was told to end.
        """
        over = self._next == len(self._past)
        item, self._heard = (_OVER, True) if over else self._past[self._next]
        self._next += 1
        if self._heard and self._silenced:
            self._speak()
        if item is None:
            self._ready.release()
        return item

    @property
    def heard(self) -> bool:
        """Whether the answer to what was told last is awaited."""
        return self._heard

    @property
    def over(self) -> bool:
        """Whether all of the past has been told."""
        return self._next > len(self._past)

    def _speak(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        for fd, kept in zip(_OUTPUTS, self._silenced, strict=True):
            os.dup2(kept, fd)
            os.close(kept)
        self._silenced.clear()
        self._ready.release()


def _itself(queue: Any, unheard: _Unheard) -> Any:
    return queue


class _Tells:
    """The worker's index queue: the past first."""

    def __init__(self, queue: Any, unheard: _Unheard) -> None:
        self._queue = queue
        self._unheard = unheard

    def get(self, *args: Any, **kwargs: Any) -> Any:
        if not self._unheard.over:
            item = self._unheard.tell()
            if item is not _OVER:
                return item
        return self._queue.get(*args, **kwargs)


class _Answers:
    """The worker's result queue: answers that were received before are not sent again."""

    def __init__(self, queue: Any, unheard: _Unheard) -> None:
        self._queue = queue
        self._unheard = unheard

    def put(self, answer: Any) -> None:
        if self._unheard.heard:
            self._queue.put(answer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)
