"""Functions registered with atexit are seen in order, and the program's are registered again."""

from __future__ import annotations

import atexit
import functools
import weakref
from collections.abc import Callable

import pytest

from forkpoint import _native
from forkpoint.capture.adapters.exit_functions import ADAPTER


def test_registered_functions_are_seen_in_order_with_their_arguments() -> None:
    mark = functools.partial(list)
    atexit.register(mark, (1,))
    atexit.register(mark, (2,))
    try:
        seen = [(args, kwargs) for function, args, kwargs in _native.exit_functions() if function is mark]
        assert seen == [(((1,),), None), (((2,),), None)]
    finally:
        atexit.unregister(mark)
    assert all(function is not mark for function, _, _ in _native.exit_functions())


def test_only_what_is_missing_is_registered_again() -> None:
    mark = functools.partial(list)
    atexit.register(mark)
    state = ADAPTER.capture(None)
    atexit.unregister(mark)
    nothing: dict[str, object] = {}
    atexit.register(mark, **nothing)  # has an empty dict, where the first has none
    assert [call[2] for call in _native.exit_functions() if call[0] is mark] == [{}]
    try:
        ADAPTER.restore(state)
        assert sum(function is mark for function, _, _ in _native.exit_functions()) == 1
        atexit.unregister(mark)
        ADAPTER.restore(state)
        assert sum(function is mark for function, _, _ in _native.exit_functions()) == 1
    finally:
        atexit.unregister(mark)


def test_they_are_in_the_order_they_were_in_wherever_a_new_process_has_its_own() -> None:
    first, second, third = (functools.partial(list) for _ in range(3))
    hidden = functools.partial(_named("forkpoint.x"))
    before = _calls()
    try:
        for function in (first, hidden, second, third):
            atexit.register(function)
        state = ADAPTER.capture(None)
        for function in (first, hidden, second):
            atexit.unregister(function)
        anew = functools.partial(_named("forkpoint.y"))
        atexit.register(anew)
        ADAPTER.restore(state)
        found = [function for function, _, _ in _native.exit_functions()[len(before) :]]
        assert found == [first, anew, second, third]
    finally:
        for function in (first, hidden, second, third, anew):
            atexit.unregister(function)
    assert _calls() == before


def test_the_finalizers_function_is_not_registered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Node: ...

    node = Node()
    weakref.finalize(node, list).detach()
    state = ADAPTER.capture(None)
    monkeypatch.setattr(weakref.finalize, "_registered_with_atexit", False)  # as where none was made yet
    ADAPTER.restore(state)
    weakref.finalize(node, list).detach()
    assert sum(call[0] == weakref.finalize._exitfunc for call in _native.exit_functions()) == 1  # type: ignore[attr-defined]


def _calls() -> list[tuple[object, ...]]:
    """What exit calls; registering a function again without keywords may give it an empty dict for none."""
    return [(function, args, kwargs or {}) for function, args, kwargs in _native.exit_functions()]


def _named(module: str) -> Callable[[], None]:
    def function() -> None: ...

    function.__module__ = module
    return function


def test_a_compiled_function_without_a_name_is_its_librarys() -> None:
    """nanobind's, of which duckdb registers one: it has a `__qualname__`, which is None."""

    class Nameless:
        def __init__(self) -> None:
            self.__qualname__ = None

        def __call__(self) -> None: ...

    nameless = Nameless()
    atexit.register(nameless)
    try:
        assert ADAPTER.capture(None)[-1] is None
    finally:
        atexit.unregister(nameless)
