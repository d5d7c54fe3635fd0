"""What is sure to keep a commit waiting, seen before the fork: an open autograd graph in a variable still to be read.

A child finds it as well, but late, and each child that ends in that answer has cost the program a fork. So here
the variables of the captured frames are looked at, in the program; what lies below them is the child's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from forkpoint.capture import ambient, liveness
from forkpoint.errors import Refused
from forkpoint.model import CapturedStack, FrameRecord

Question = Callable[[Any, str], Refused | None]
"""Asked of a variable's value and name. Side effects, code of the program and long answers are forbidden."""


def look(captured: CapturedStack, excluded: Collection[int], saved_otherwise: Collection[type]) -> None:
    """Raise Refused where a child is sure to. Microseconds per frame where nothing is found.

    `excluded` are the ids of objects, `saved_otherwise` types, that the program has its own way with.
    """
    questions: list[Question] = ambient.unfinished()
    if not questions:
        return
    unread: set[tuple[int, int | str]] | None = None
    for frame in captured.frames:
        for holder, key, name, value in _variables(frame):
            refused = next(filter(None, (ask(value, name) for ask in questions)), None)
            if refused is None or id(value) in excluded or type(value) in saved_otherwise:
                continue
            if unread is None:
                unread = {(id(place), at) for place, at in liveness.unread(captured)}
            if (id(holder), key) not in unread:
                raise Refused(refused.reason, location=str(captured.location), hint=refused.hint)


def _variables(frame: FrameRecord) -> Iterator[tuple[Any, int | str, str, Any]]:
    """What holds each variable, and under what; its name, none if it is on the stack; its value."""
    if frame.local_namespace is frame.namespace is not None:
        for name, value in list(frame.namespace.items()):
            yield frame.namespace, name, name, value
    names = frame.code.co_varnames
    for index, value in enumerate(frame.slots):
        yield frame.slots, index, names[index] if index < len(names) else "", value
