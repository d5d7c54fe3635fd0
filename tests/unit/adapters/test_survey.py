"""The walk over libraries finds the same whether or not it remembers what it found in the child before."""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
import abc
import ctypes
import datetime
import errno
import itertools
import mmap
import os
import pickle
import struct
import subprocess
import sys
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest

from forkpoint import _native
from forkpoint.capture import libraries, roots

LIBRARY = """
import abc, collections, itertools
class Thing:
    registry, kinds, seen = {}, [], set()
    def __init__(self):
        self.table, self.parts, self.flag = {}, [], 1
class Slotted:
    __slots__ = ("x",)
    counter = itertools.count(3)
class Abstract(abc.ABC): pass
MISSING = Thing()
def find(name, default=MISSING, *, other=MISSING): return name
def advance(start=itertools.count(5)): return next(start)
registry, kinds, seen = {"a": 1}, [1], {1}
ordered, by_default = collections.OrderedDict(a=1), collections.defaultdict(list)
thing, flag, number, text = Thing(), True, 7, "text"
counter = itertools.count()
"""

PROGRAM = """
class Mine: pass
def function(): pass
"""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = {}
    for name, source in (("surveyed", LIBRARY), ("the_program", PROGRAM)):
        made[name] = types.ModuleType(name)
        exec(compile(source, f"<{name}>", "exec", dont_inherit=True), vars(made[name]))
        monkeypatch.setitem(sys.modules, name, made[name])
    made["surveyed"].program = made["the_program"]
    monkeypatch.setattr(libraries, "_state", libraries._State())
    return made["surveyed"]


def walked(memory: bool, first: Callable[[], object] = lambda: None) -> Any:
    """What a child finds that begins with `first`, as plain values."""
    reading, writing = os.pipe()
    asked = _native.fingerprint(sys.modules) if memory else 0  # without, the child lists the modules itself
    program = roots.Roots((sys.modules["the_program"],), (), asked)
    libraries.mark(program)
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            first()
            if not memory:
                libraries._state.memory = None
            libraries.begin()
            survey = libraries.look(program)
            found = (
                [survey.named.find(id) for id in survey.named.ids()],
                [
                    (*drift[:3], type(drift[3]).__name__, [str(place) for place in drift[4] or ()])
                    for drift in survey.drifted
                ],
                [(*place, repr(counter)) for *place, counter in survey.counters],
                [cls.__qualname__ for cls in survey.abstract],
            )
            with open(writing, "wb") as stream:
                stream.write(pickle.dumps(found))
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as stream:
        found = stream.read()
    os.waitpid(pid, 0)
    return pickle.loads(found)


def mine(library: Any) -> Any:
    return library.program.Mine()


CHANGES: dict[str, Callable[[Any], object]] = {
    "a module's attribute is set": lambda library: setattr(library, "number", mine(library)),
    "one is new": lambda library: setattr(library, "added", library.program.function),
    "one is deleted": lambda library: delattr(library, "registry"),
    "its namespace is updated": lambda library: vars(library).update(text=mine(library)),
    "set by its own code": lambda library: exec("number = program.Mine()", vars(library)),
    "a class's attribute is set": lambda library: setattr(library.Thing, "find", library.program.function),
    "one of a class is deleted": lambda library: delattr(library.Thing, "kinds"),
    "an attribute of an instance": lambda library: setattr(library.thing, "flag", mine(library)),
    "an instance's dict is looked at": lambda library: vars(library.thing).update(late=mine(library)),
    "a dict's item": lambda library: library.registry.update(mine=library.program.Mine),
    "set by default": lambda library: library.registry.setdefault(library.program.Mine, library.thing),
    "a dict that was cleared": lambda library: (library.registry.clear(), library.registry.update(b=mine(library))),
    "popped and set": lambda library: (library.registry.popitem(), library.registry.update(c=mine(library))),
    "merged in place": lambda library: library.registry.__ior__({"d": mine(library)}),
    "a list's element": lambda library: library.kinds.append(library.program.Mine),
    "a set's element": lambda library: library.seen.add(library.program.function),
    "an ordered dict's item": lambda library: library.ordered.update(z=mine(library)),
    "a default dict's item": lambda library: library.by_default.update(y=mine(library)),
    "a table of a class": lambda library: library.Thing.registry.update(mine=library.program.Mine),
    "a list of a class": lambda library: library.Thing.kinds.append(library.program.Mine),
    "a table of an instance": lambda library: library.thing.table.update(mine=mine(library)),
    "another table": lambda library: setattr(library, "registry", {"e": mine(library)}),
    "a counter counts": lambda library: (next(library.counter), next(library.Slotted.counter)),
    "another counter": lambda library: setattr(library, "number", itertools.count(9)),
    "a named object": lambda library: setattr(library, "number", OrderedDict(a=1)),
    "a default of a function": lambda library: setattr(library.find, "__defaults__", (library.thing,)),
    "a default by keyword": lambda library: library.find.__kwdefaults__.update(other=library.Thing()),
    "another function": lambda library: setattr(library, "find", lambda x=library.thing: x),
    "a new class": lambda library: exec("class New:\n    own = __import__('the_program').Mine()", vars(library)),
    "an abstract class": lambda library: exec("class More(abc.ABC): pass", vars(library)),
    "an instance's dict is another": lambda library: setattr(library.thing, "__dict__", {"x": mine(library)}),
    "another name for it": lambda library: (
        setattr(library.Thing, "own", library.program.function),
        sys.modules.update(more=library),
    ),
    "code that assigns": lambda library: exec("def assign(what):\n    what.number = 1", vars(library.program)),
    "another module": lambda library: sys.modules.update(more=types.ModuleType("more")),
    "nothing": lambda library: None,
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda name: name.replace(" ", "-"))
def test_what_is_remembered_is_what_would_be_found(library: Any, change: str) -> None:
    first = walked(memory=True)
    assert first == walked(memory=True) == walked(memory=False)
    try:
        CHANGES[change](library)
        plain = walked(memory=False)
        assert walked(memory=True) == walked(memory=True) == plain
        assert plain != first or change in ("another module", "nothing")
    finally:
        sys.modules.pop("more", None)


def test_many_changes_one_after_another(library: Any) -> None:
    for name, change in CHANGES.items():
        if "deleted" not in name:
            change(library)
            assert walked(memory=True) == walked(memory=False)
    sys.modules.pop("more", None)


UNSEEN: dict[str, Callable[[Any], object]] = {
    "thing.__class__": lambda library: setattr(library.thing, "__class__", library.program.Mine),
    "Thing.__module__": lambda library: setattr(library.Thing, "__module__", "the_program"),
    "advance.__defaults__": lambda library: setattr(library.advance, "__defaults__", (library.Thing(),)),
}
"""Changes that no namespace shows."""


@pytest.mark.parametrize("change", UNSEEN)
def test_it_is_remembered_unless_the_programs_code_does_what_is_not_seen(library: Any, change: str) -> None:
    walked(memory=True)
    UNSEEN[change](library)
    assert walked(memory=True) != walked(memory=False)
    exec(f"def change(what):\n    what.{change.partition('.')[2]} = 1", vars(library.program))
    assert walked(memory=True) == walked(memory=False)


def test_what_a_child_changes_itself_is_not_taken_for_what_the_program_changes_later(library: Any) -> None:
    """Both count versions from where the program stood at the fork: here until they have the same one."""
    namespace = vars(library)
    version = ctypes.c_uint64.from_address(id(namespace) + 24)  # ma_version_tag
    told = mmap.mmap(-1, mmap.PAGESIZE)

    def change() -> None:
        for _ in range(5000):
            namespace["number"] = {}  # as an import in the child would
        told[:8] = version.value.to_bytes(8, "little")

    walked(memory=True, first=change)
    wanted = int.from_bytes(told[:8], "little")
    others = mine(library), mine(library)
    at = 0
    while version.value < wanted:
        namespace["number"] = others[at]
        at = 1 - at
    assert version.value == wanted
    assert walked(memory=True) == walked(memory=False)


def test_without_memory_for_it_each_child_looks_at_everything(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOMEM, "no memory")

    with monkeypatch.context() as patch:
        patch.setattr(mmap, "mmap", none)
        first = walked(memory=True)
    library.number = mine(library)
    assert first != walked(memory=True) == walked(memory=False)


def test_a_process_that_the_program_forks_does_not_write_into_its_memory(library: Any) -> None:
    libraries.mark(roots.Roots((), ()))
    kept = libraries._state.memory
    pid = os.fork()
    if pid == 0:
        libraries.mark(roots.Roots((), ()))
        os._exit(libraries._state.memory is kept)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_module_that_came_in_another_s_place_is_walked(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ("surveyed", "thing") in walked(memory=True)[0]
    other = types.ModuleType("surveyed")
    other.thing, other.new = object(), mine(library)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "surveyed", other)
    assert walked(memory=True) == walked(memory=False)
    assert ("surveyed", "", "new") in {drift[:3] for drift in walked(memory=True)[1]}


def test_what_drifted_in_an_instance_is_told_under_each_of_its_names(library: Any) -> None:
    library.other, library.thing.flag = library.thing, mine(library)
    drifted = {drift[:3] for drift in walked(memory=True)[1]}
    assert {("surveyed", "thing", "flag"), ("surveyed", "other", "flag")} <= drifted


def test_names_are_told_only_while_they_lead_to_the_object(library: Any) -> None:
    survey = libraries.look(roots.Roots((sys.modules["the_program"],), ()))
    thing, registry = id(library.thing), id(library.Thing.registry)
    assert survey.named.find(thing) == ("surveyed", "thing")
    assert survey.named.find(registry) == ("surveyed", "Thing.registry")
    assert survey.named.find(id(library.MISSING)) == ("surveyed", "MISSING")
    del library.thing, library.Thing
    assert survey.named.find(thing) is None and survey.named.find(registry) is None
    del library.MISSING
    assert survey.named.find(id(library.find.__defaults__[0])) is None  # it had the other name first


def test_defaults_without_another_name_are_named_by_their_function(library: Any) -> None:
    del library.MISSING
    survey = libraries.look(roots.Roots((sys.modules["the_program"],), ()))
    assert survey.named.find(id(library.find.__defaults__[0])) == ("surveyed", "find.__defaults__.[0]")
    library.find.__defaults__ = ()
    assert survey.named.find(id(library.find.__kwdefaults__["other"])) == ("surveyed", "find.__kwdefaults__.[other]")


def test_the_memory_is_begun_anew_when_it_is_full(library: Any) -> None:
    vars(library).update({f"name{i}": library.program.function for i in range(100_000)})
    full = []
    while not any(full[:-1]):  # there is room for two and a half; less where many libraries are loaded
        library.number = mine(library)
        assert walked(memory=True)[1] == walked(memory=False)[1]
        assert libraries._state.memory is not None
        full.append(struct.unpack_from("=QQIII", libraries._state.memory)[4])
        assert len(full) < 6
    assert full[-2:] == [1, 0]


def test_what_a_class_of_the_interpreter_holds_is_named() -> None:
    survey = libraries.look(roots.Roots((), ()))
    assert survey.named.find(id(datetime.time.max)) == ("datetime", "time.max")


def test_only_abstract_classes_with_which_something_was_registered_are_told(library: Any) -> None:
    def told() -> list[abc.ABCMeta]:
        return libraries.look(roots.Roots((library.program,), ())).abstract

    assert library.Abstract not in told()
    library.Abstract.register(library.program.Mine)
    assert library.Abstract in told() and all(_abc._get_dump(cls)[0] for cls in told())
    held = {value for module in list(sys.modules.values()) for value in _abstract_in(module)}
    assert {cls for cls in held if _abc._get_dump(cls)[0]} <= {*told()}


def _abstract_in(module: Any) -> list[abc.ABCMeta]:
    """Of the libraries, those in whose namespace changes are looked for."""
    if not isinstance(module, types.ModuleType) or module.__name__.partition(".")[0] in libraries._ELSEWHERE:
        return []
    return [value for value in list(vars(module).values()) if type(value) is abc.ABCMeta]


def test_a_type_that_nobody_has_used_yet_has_no_namespace() -> None:
    """_socket.socket, where `socket` is not imported: typing_extensions imports the one without the other."""
    code = "import _socket, sys\nfrom forkpoint.capture import libraries, roots\nlibraries.look(roots.find())\n"
    code += "assert 'socket' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
