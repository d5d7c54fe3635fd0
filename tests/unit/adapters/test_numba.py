"""numba: its own random generators, typed containers, compiled functions; machine code alone is a tombstone."""

from __future__ import annotations

from typing import Any

import pytest
from in_memory import Lost, again

numba = pytest.importorskip("numba")

import numpy as np

from forkpoint.capture import ambient


@numba.njit  # type: ignore[misc]
def _draw(seed: int) -> tuple[float, float]:
    if seed >= 0:
        np.random.seed(seed)
    return np.random.normal(), np.random.random()


def test_the_generators_of_compiled_code_go_on_with_the_second_number_of_a_pair() -> None:
    first = _draw(3)
    state = ambient.before_fork()["numba_random"]
    state = ambient._load("numba_random").capture(state)
    expected = [_draw(-1), _draw(-1)]
    _draw(5)
    ambient.restore({"numba_random": state})
    assert [_draw(-1), _draw(-1)] == expected and first not in expected


def test_typed_containers_of_what_is_copied_and_not_of_what_is_shared() -> None:
    items = numba.typed.List([1.5, 2.5])
    table = numba.typed.Dict.empty(numba.types.unicode_type, numba.types.int64)
    table["b"], table["a"] = 2, 1
    back_items, back_table, empty = again((items, table, numba.typed.List()))
    assert list(back_items) == [1.5, 2.5] and back_items._list_type == items._list_type
    assert list(back_table.items()) == [("b", 2), ("a", 1)] and back_table._dict_type == table._dict_type
    assert len(empty) == 0
    assert type(again(numba.typed.List([np.ones(2)]))) is Lost


def test_compiled_functions_work_and_what_is_only_machine_code_is_a_tombstone() -> None:
    function: Any = numba.njit(lambda x: x + 1)
    assert function(1) == 2 and again(function)(2) == 3
    callback = numba.cfunc("f8(f8)")(lambda x: x)
    assert type(again(callback)) is Lost
