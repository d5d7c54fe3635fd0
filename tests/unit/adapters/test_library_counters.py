"""What libraries number goes on where it was: threads, pools, processes."""

from __future__ import annotations

import sys
import threading
import types
from typing import Any

import pytest

from forkpoint.capture import roots
from forkpoint.capture.adapters.library_counters import ADAPTER

SOURCE = """
import itertools
plain = itertools.count(3)
following = itertools.count().__next__
by_two = itertools.count(0, 2)
class Pool:
    numbers = itertools.count(10)
def make():
    counter = itertools.count()
    def advance():
        return next(counter)
    return advance
advance = make()
"""


def imported() -> Any:
    library: Any = types.ModuleType("lib_of_counters")
    library.__file__ = types.__file__
    exec(compile(SOURCE, "<library>", "exec", dont_inherit=True), vars(library))
    sys.modules["lib_of_counters"] = library
    return library


def numbers(library: Any) -> list[int]:
    return [next(library.plain), library.following(), next(library.Pool.numbers), library.advance()]


def test_counters_of_libraries_go_on_and_never_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "find", lambda: roots.Roots((), ()))
    monkeypatch.setitem(sys.modules, "lib_of_counters", None)
    library = imported()
    for _ in range(4):
        numbers(library)
    state = ADAPTER.capture(None)
    fresh = imported()
    fresh.advance()
    ADAPTER.restore(state)
    assert numbers(fresh) == [7, 4, 14, 4] and repr(fresh.by_two) == "count(0, 2)"
    ADAPTER.restore(state)
    assert numbers(fresh) == [8, 5, 15, 5]
    ADAPTER.restore({("lib_of_counters", "", "plain"): 1 << 50})  # at once
    assert numbers(fresh) == [1 << 50, 6, 16, 6]


def test_counters_are_put_forward_without_looking_at_all_libraries_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """That took longer than all else a small program does to come back."""
    monkeypatch.setattr(roots, "find", lambda: pytest.fail("looked"))
    monkeypatch.setitem(sys.modules, "lib_of_counters", None)
    library = imported()
    gone = {("lib_of_counters", "", "gone"): 9, ("lib_of_counters", "Gone", "numbers"): 9, ("gone", "", "plain"): 9}
    ADAPTER.restore({**gone, ("lib_of_counters", "Pool", "numbers"): 20, ("lib_of_counters", "", "make"): 9})
    assert numbers(library) == [3, 0, 20, 0]


def test_the_names_of_threads_are_among_them() -> None:
    state = ADAPTER.capture(None)
    name = threading.Thread(target=print).name
    assert f"-{state['threading', '', '_counter']} " in name
