"""Builtins whose loops are ours: the same results to the last bit, the same errors, as CPython's own."""

from __future__ import annotations

import functools
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("drives")

_POOLS: dict[str, Callable[[random.Random], Any]] = {
    "small": lambda chance: chance.randrange(-5, 5),
    "scales": lambda chance: chance.uniform(-1, 1) * 10 ** chance.randrange(-20, 20),
    "edges": lambda chance: chance.choice([True, 1, 2.5, 1e308, -1e308, 10**30, -0.0, 3 + 2j, float("inf")]),
    "overflows": lambda chance: chance.choice([2**62, 2**63 - 1, -(2**63), 1, 0.1]),
    "decimals": lambda chance: chance.choice([0.1, 0.2, 1, -0.0]),
    "pairs": lambda chance: chance.choice([(1, 2), (2, 3), (1,), "ab", 7]),
    "texts": lambda chance: chance.choice(["a", "b", "é", 7]),
}
_STARTS = (0, 0.0, -0.0, 5, 2.5, (), True, 2**63, "", b"")


def _calls(made: Callable[[], Iterator[Any]], start: Any) -> list[Callable[[], Any]]:
    return [
        lambda: sum(made()),
        lambda: sum(made(), start),
        lambda: sum(made(), start=start),
        lambda: (any(made()), all(made())),
        lambda: (list(made()), sys.getsizeof(list(made())), tuple(made())),
        lambda: list(set(made())),
        lambda: dict(made()),
        lambda: dict(made(), a=1),
        lambda: ",".join(made()),
        lambda: [f(made()) for f in (min, max)],
        lambda: [f(made(), default=7, key=None) for f in (min, max)],
        lambda: [f(made(), default=None, key=lambda x: -x) for f in (min, max)],
        lambda: [f(list(made()), key=lambda x: str(x)) for f in (min, max)],
        lambda: (sorted(made()), sorted(made(), key=lambda x: -x, reverse=True)),
        lambda: sorted((*made(),), key=lambda x: str(x), reverse=True),
        lambda: _sorted_in_place(list(made()), start),
        lambda: functools.reduce(lambda a, b: a - b, made()),
        lambda: functools.reduce(lambda a, b: a - b, made(), start),
        lambda: [f(5) for f in (sum, min, max, any, all, sorted, set, dict)],
        lambda: min(made(), nothing=1),  # type: ignore[call-overload]
        lambda: functools.reduce(min, 5),  # type: ignore[call-overload]
    ]


def _sorted_in_place(values: list[Any], start: Any) -> Any:
    """All that a list sorted by key shows: while, after, after a key that fails and one that changes the list."""
    seen: list[Any] = []

    def key(value: Any) -> Any:
        seen.append((value, list(values)))
        if len(seen) == 20 and start:
            values.append(value)
        if len(seen) == 30 and not start:
            raise KeyError(value)
        return str(value)

    said = []
    for _ in range(4):
        try:
            said.append(values.sort(key=key, reverse=bool(start)))
        except (KeyError, ValueError) as error:
            said.append(repr(error))
    return said, values, seen, sys.getsizeof(values)


def _say(call: Callable[[], Any]) -> str:
    try:
        return repr(call())
    except Exception as error:
        return repr(error)


def said(name: str) -> list[str]:
    """What each builtin makes of generators over random values of that pool."""
    chance = random.Random(name)
    answers = []
    for _ in range(300):
        values = [_POOLS[name](chance) for _ in range(chance.randrange(12))]

        def made(values: list[Any] = values) -> Iterator[Any]:
            return (value for value in values)

        answers += [_say(call) for call in _calls(made, chance.choice(_STARTS))]
    return answers


_PROGRAM = """
import json, sys
sys.path.insert(0, {folder!r})
import test_drives
from forkpoint import _native
{begin}
print(json.dumps({{name: test_drives.said(name) for name in {names!r}}}))
"""
_Answers = dict[str, list[str]]


def _answers(begin: str) -> _Answers:
    program = _PROGRAM.format(folder=str(Path(__file__).parent), names=list(_POOLS), begin=begin)
    env = {**os.environ, "PYTHONHASHSEED": "3"}
    here = Path(__file__).parent  # not the checkout, whose forkpoint may not be the one under test
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=here)
    found: _Answers = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def answers() -> tuple[_Answers, _Answers]:
    return _answers("_native.drive_start()"), _answers("")


@pytest.mark.parametrize("name", list(_POOLS))
def test_a_builtin_whose_loop_is_ours_says_what_cpythons_says(name: str, answers: tuple[_Answers, _Answers]) -> None:
    ours, plain = answers
    assert ours[name] == plain[name]
