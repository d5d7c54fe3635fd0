"""What may sit between two frames, and what is refused in which words."""

from __future__ import annotations

from pathlib import Path

import driver
import pytest

pytestmark = pytest.mark.xdist_group("transitions")

REFUSED = {
    "bool": "a condition is asking A.__bool__()",
    "hash": "a dict is asking A.__hash__()",
    "format": "an f-string is formatting a value by calling A.__format__()",
    "map of map": "list() is not Python code and is calling <lambda>()",
    "map of lists": "list() is not Python code and is calling <genexpr>()",
    "second of zip": "a `for` loop is waiting for `zip`, which is calling <genexpr>()",
    "next of zip": "a `for` loop is waiting for `zip`, which is calling <genexpr>()",
    "hash in set": "set() is not Python code and is calling H.__hash__()",
    "add in sum": "sum() is not Python code and is calling H.__radd__()",
    "f and add in sum": "sum() is not Python code and is calling Same.__add__()",
    "less in sorted": "sorted() is not Python code and is calling H.__lt__()",
    "predicate": "a `for` loop is waiting for `filter`, which is calling <lambda>()",
    "lru_cache": "cached() is cached by functools.lru_cache, which stores the result afterwards",
    "class body": "the body of class cls.<locals>.K is running",
    "__new__": "N() is not Python code and is calling N.__new__()",
    "set_name": "a class is calling D.__set_name__()",
    "init_subclass": "a class is calling Sub.__init_subclass__()",
    "signal": "the signal handler <lambda>() is running",
    "weakref cb": "the weak reference callback <lambda>() is running",
    "del": "A.__del__() is running",
    "async gen": "the async generator ag() is running",
    "thread": "checkpoints are taken in the main thread, this is Thread-1 (<lambda>)",
    "default_factory": "<lambda>() was called by C code in the middle of an expression",
}
TAKEN = (
    "metaclass super call, singleton, method, __call__, partial in dict, partial attr, cached_property, property, "
    "enter, exit, contains, getitem, lt, class_getitem, descr get, descr set, descr delete, getattribute, missing, "
    "gen, gen2, cm in, in with cm, cm out, contextdecorator, exitstack, exec, eval, exec locals, recursion, coro, "
    "coro2, radd, matmul, neg, setitem, delitem, iadd, __next__, post_init, exc init, in except, enum missing, "
    "static, classmethod, lambda, in f-string, assert, listcomp, setcomp, dictcomp, walrus, map, list(gen), for map, "
    "got bound, sort key, sum gen, any, enumerate(gen), zip(gen), reduce, min key, f of map"
).split(", ")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    program = driver.PROGRAMS / "calls.py"
    done = driver.start("run", program, tmp_path_factory.mktemp("calls") / "state", KILL_AT="1000000")
    assert done.returncode == 0, done.stderr
    answers: dict[str, set[str]] = {}
    for line in done.stderr.splitlines():
        name, _, answer = line.partition(": ")
        answers.setdefault(name, set()).add(answer)
    return answers


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_c_code_with_a_state_of_its_own_is_refused_in_the_users_words(name: str, said: dict[str, set[str]]) -> None:
    assert said[name] == {REFUSED[name]}


@pytest.mark.parametrize("name", TAKEN)
def test_c_code_that_hands_the_result_on_is_passed_through(name: str, said: dict[str, set[str]]) -> None:
    assert "taken" in said[name]


def test_a_generator_that_is_being_dropped_is_refused(said: dict[str, set[str]]) -> None:
    assert any("gen() has no name" in answer for answer in said["gen finally"])
    assert any("DELETE_NAME" in answer for answer in said["gen finally"])


def test_looking_at_operands_runs_none_of_the_programs_code(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from ckapi import try_checkpoint\n"
        "class Loud:\n"
        "    def __getattribute__(self, name): print('asked', name); return object.__getattribute__(self, name)\n"
        "    def __eq__(self, other): print(try_checkpoint()); return True\n"
        "    def __hash__(self): print('hashed'); return 1\n"
        "print(Loud() == 3)\n"
    )
    done = driver.start("run", program, tmp_path / "state", KILL_AT="1000000")
    assert done.stdout == "taken\nTrue\n", done.stdout + done.stderr
