"""What a program puts into libraries is found where it lies, and told from what only looks like it."""

from __future__ import annotations

import builtins
import gettext
import json
import linecache
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from forkpoint.capture import assignments, libraries, roots
from forkpoint.capture.adapters import library_changes
from forkpoint.encode import tombstones

Run = Callable[[str], types.ModuleType]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs source as the program's only module, as far as `capture.roots` knows."""
    module = types.ModuleType("patching_program")
    module.__file__ = "<patching program>"

    def execute(source: str) -> types.ModuleType:
        linecache.cache["<patching program>"] = (len(source), None, source.splitlines(keepends=True), module.__file__)
        exec(compile(source, "<patching program>", "exec", dont_inherit=True), module.__dict__)
        return module

    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(roots, "find", lambda: roots.Roots((module,), ()))
    yield execute
    del linecache.cache["<patching program>"]


def changes() -> dict[str, Any]:
    """But for pytest's own: the frames of a worker of xdist, which set its configuration, lie beneath the test's."""
    state: dict[str, Any] = library_changes.ADAPTER.capture(None)
    return {kind: [change for change in found if not change[0].startswith("_pytest")] for kind, found in state.items()}


def test_assignments_are_found_in_bodies_functions_and_methods_but_not_those_to_self(run: Run) -> None:
    module = run(
        "import json, statistics as st\n"
        "json.flag = 1\n"
        "def f(other):\n"
        "    st.NormalDist.extra = other.thing = 2\n"
        "    setattr(other, 'by_string', 3)\n"
        "class C:\n"
        "    def __init__(self):\n"
        "        self.mine = 4\n"
        "        self.inner.deep = 5\n"
    )
    found = assignments.find([module])
    assert {"flag", "extra", "thing", "by_string", "deep"} <= found.names and "mine" not in found.names
    assert (json, "flag") in found.targets and (statistics.NormalDist, "extra") in found.targets


def test_what_mocks_stand_for_is_kept_while_a_patch_is_open(run: Run) -> None:
    run(
        "import json, string\n"
        "from unittest import mock\n"
        "patches = [mock.patch.object(string, 'digits', '01'), mock.patch('json.decoder.scanstring')]\n"
        "for patch in patches: patch.start()\n"
    )
    try:
        saved = {change[:3]: change[3] for change in changes()["candidates"]}
        assert saved["string", "", "digits"] == "01"
        assert isinstance(saved["json.decoder", "", "scanstring"], mock.MagicMock)
    finally:
        mock.patch.stopall()


def test_what_was_learned_before_is_what_is_found_and_needs_no_reading(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = run("import json\ndef f(other):\n    json.flag = other.thing = 2\n    def g(): json.deeper = 3\n")
    monkeypatch.setattr(assignments, "_body", lambda module: None)  # whose functions are others, though equal
    assert assignments.learn([module])
    read: list[str] = []
    reading = assignments._read
    monkeypatch.setattr(assignments, "_read", lambda code: (read.append(code.co_qualname), reading(code))[1])
    found = assignments.find([module])
    assert {"f", "f.<locals>.g"}.isdisjoint(read) and {(json, "flag"), (json, "deeper")} <= set(found.targets)
    run("def f(other):\n    json.anew = 4\n")
    assert (json, "anew") in assignments.find([module]).targets and "f" in read


def test_learning_goes_on_where_its_time_was_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    module = run("".join(f"def f{number}(other): other.a{number} = 1\n" for number in range(20)))
    clock = iter(range(10_000))
    monkeypatch.setattr(assignments, "perf_counter", lambda: next(clock) / 2000)
    rounds = 1
    while not assignments.learn([module]):
        rounds += 1
        assert rounds < 50
    assert rounds > 3 and {f"a{number}" for number in range(20)} <= assignments.find([module]).names


def test_what_was_not_restored_is_not_touched_by_looking(run: Run) -> None:
    module = run("class C:\n    def method(self, other):\n        other.found = 1\n")
    module.lost = module.C.lost = tombstones.make("lost", "thing", "gone")
    exec("def set():\n    lost.flag = lost.part.flag = 1\n", vars(module))
    assert {"found", "flag"} <= assignments.find([module]).names
    libraries.named(roots.find())


def test_own_functions_wrappers_instances_and_elements_are_the_programs_wherever_they_lie(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = run(
        "import functools, json\n"
        "class Mine: pass\n"
        "@functools.wraps(json.loads)\n"
        "def loads(text): return 'own'\n"
        "one, prop, part = Mine(), property(loads), functools.partial(loads, 1)\n"
    )
    monkeypatch.setattr(json, "loads", module.loads)
    monkeypatch.setattr(json, "one", module.one, raising=False)
    monkeypatch.setattr(json.JSONDecoder, "prop", module.prop, raising=False)
    monkeypatch.setattr(json.JSONDecoder, "part", module.part, raising=False)
    monkeypatch.setitem(json.decoder.BACKSLASH, "z", module.Mine)
    state = changes()
    own = {(where, path, key) for where, path, key, _ in state["own"]}
    assert own == {
        ("json", "", "loads"),
        ("json", "", "one"),
        ("json.decoder", "JSONDecoder", "prop"),
        ("json.decoder", "JSONDecoder", "part"),
    }
    assert [element[:4] for element in state["elements"]] == [("json.decoder", "", "BACKSLASH", "z")]


def test_a_descriptor_of_a_librarys_class_that_holds_the_programs_is_the_programs(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """xarray's accessors, and functools.cached_property: what a call leaves as an attribute of a library's class."""
    monkeypatch.setattr(json.JSONDecoder, "near", None, raising=False)
    monkeypatch.setattr(json.JSONDecoder, "own", None, raising=False)
    run(
        "import functools, json\n"
        "def cached(self): return 1\n"
        "for name, function in (('near', len), ('own', cached)):\n"
        "    type.__setattr__(json.JSONDecoder, name, functools.cached_property(function))\n"
    )
    found = {change[:3] for change in changes()["own"]}
    assert ("json.decoder", "JSONDecoder", "own") in found and ("json.decoder", "JSONDecoder", "near") not in found


def test_a_simple_value_is_put_back_only_where_a_fresh_import_gives_another(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json.decoder, "NaN", json.decoder.NaN)
    monkeypatch.setattr(json, "__author__", "before")
    run("def f(module):\n    module.NaN = module.__author__ = None\n")
    monkeypatch.setattr(json, "__author__", "the program")
    state = changes()
    assert ("json", "", "__author__", "the program") in state["candidates"]
    nan = json.decoder.NaN
    monkeypatch.setattr(json, "__author__", "fresh")
    library_changes.ADAPTER.restore(state)
    assert json.__author__ == "the program" and json.decoder.NaN is nan


def test_what_the_program_made_of_library_parts_is_saved_and_not_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json, "table", None, raising=False)
    module = run("import json\njson.table = json.again = {'a': [1]}\n")
    assert id(module.json.table) not in libraries.named(roots.find())
    assert ("json", "", "table", {"a": [1]}) in changes()["own"]
    del json.again  # type: ignore[attr-defined]


def test_a_library_nobody_changed_has_no_changes(run: Run) -> None:
    run("x = 1\n")
    state = changes()
    assert state["own"] == [] and state["elements"] == []


def test_looking_for_changes_costs_the_child_little_and_the_program_nothing(run: Run) -> None:
    run("x = 1\n")
    assert library_changes.ADAPTER.before_fork() is None
    began = time.process_time()
    changes()
    assert time.process_time() - began < 0.5


def test_what_an_instance_of_a_library_was_told_comes_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As transformers.AutoConfig.register() does, and torch.serialization.add_safe_globals(), and pytrees."""
    registry = type("Registry", (), {"__module__": "json"})
    monkeypatch.setattr(json, "mapping", registry(), raising=False)
    module = run("import json\nclass Mine: pass\nclass Node: pass\njson.mapping.flag = 3\n")
    fresh = {"extra": {"a": 1}, "known": {int}, "by_class": {}, "cache": {}, "flag": 2, "count": 1}
    told = {
        "extra": {"a": 1, "mine": module.Mine},
        "known": {int, module.Mine},
        "by_class": {module.Mine: registry},
        "cache": {module.Mine: [1]},
        "flag": 3,
        "count": 2,
    }
    vars(json.mapping).update(told)  # type: ignore[attr-defined]
    state = changes()
    vars(json.mapping).update(fresh)  # type: ignore[attr-defined]
    library_changes.ADAPTER.restore(state)
    assert vars(json.mapping) == {**told, "cache": {}, "count": 1}  # type: ignore[attr-defined]


def test_a_property_of_a_librarys_instance_is_put_back_where_the_code_names_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `mpmath.mp.dps = 50` and `networkx.config.warnings_to_ignore = {...}`."""

    class Config:
        __slots__ = ("_digits", "ignored")
        digits = property(lambda self: self._digits, lambda self, value: setattr(self, "_digits", value))

    Config.__module__ = "json"
    monkeypatch.setattr(json, "config", Config(), raising=False)
    run("import json\nfrom json import config\nconfig.digits = 50\njson.config.ignored = {'a'}\n")
    state = changes()
    json.config.digits, json.config.ignored = 15, set()  # type: ignore[attr-defined]
    library_changes.ADAPTER.restore(state)
    assert (json.config.digits, json.config.ignored) == (50, {"a"})  # type: ignore[attr-defined]


REGISTERING = """
class Constructor:
    table = {"int": int}
    names = ["int"]
class Loader(Constructor):
    pass
def register(name, function, cls=Loader):
    if "table" not in cls.__dict__:
        cls.table, cls.names = cls.table.copy(), cls.names[:]
    def resolve(*given):
        return function(*given)
    cls.table[name] = resolve
    cls.names.append(function)
"""


def test_what_a_library_copies_for_a_class_is_copied_for_it_again_and_its_wrappers_are_found(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As yaml's add_constructor does for a loader, and omegaconf's resolvers close over the program's functions."""

    def fresh() -> Any:
        library = types.ModuleType("library_that_registers")
        exec(compile(REGISTERING, "<library>", "exec", dont_inherit=True), library.__dict__)
        monkeypatch.setitem(sys.modules, library.__name__, library)
        return library

    fresh()
    run("import library_that_registers as lib\ndef double(n): return 2 * n\nlib.register('double', double)\n")
    state = library_changes.ADAPTER.capture(None)
    again = fresh()
    library_changes.ADAPTER.restore(state)
    assert again.Loader.table["double"](4) == 8 and again.Loader.names[0] == "int"
    assert "double" not in again.Constructor.table and again.Constructor.names == ["int"]


def test_what_a_library_puts_into_builtins_is_kept_whoever_holds_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    translation = gettext.NullTranslations()
    monkeypatch.setattr(builtins, "_", translation.gettext, raising=False)  # as gettext.install does
    run("pass")
    assert ("builtins", "", "_", translation.gettext) in changes()["own"]
    assert id(vars(builtins)["_"]) not in libraries.named(roots.find())


def test_a_fresh_interpreter_has_nothing_of_that_kind() -> None:
    program = "from forkpoint.capture import libraries; print(sorted(libraries.installed()))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
