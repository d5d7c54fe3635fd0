"""Functions and objects that wrapt wraps."""

from __future__ import annotations

import pytest

pytest.importorskip("wrapt")

from world import World

from forkpoint.capture import ambient

PROGRAM = """
import wrapt
@wrapt.decorator
def one_more(wrapped, instance, arguments, keywords):
    return wrapped(*arguments, **keywords) + (1 if instance is None else instance.more)
@one_more
def length(values):
    return len(values)
class Own:
    more = 10
    @one_more
    def length(self, values):
        return len(values)
class Noted(wrapt.ObjectProxy):
    def __init__(self):
        raise AssertionError
own = Own()
bound = own.length
values = [1, 2]
proxy = wrapt.ObjectProxy(values)
proxy._self_note = "mine"
noted = Noted.__new__(Noted)
wrapt.ObjectProxy.__init__(noted, values)
"""


def test_they_wrap_what_they_did_and_keep_their_own_attributes() -> None:
    back = World(PROGRAM).again(reducers=ambient.reducers())
    assert back.proxy.__wrapped__ is back.values is back.noted.__wrapped__ and back.proxy._self_note == "mine"
    assert type(back.noted) is back.Noted and not hasattr(back.values, "_self_note")
    assert (back.length([1, 2]), back.own.length([1, 2]), back.bound([1])) == (3, 12, 11)
