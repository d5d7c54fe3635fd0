"""Objects of libraries: by what protocol each is saved, and when it is a tombstone."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from world import World

from forkpoint.encode import functions
from forkpoint.encode.unpickler import decode
from forkpoint.errors import TombstoneError

pytestmark = pytest.mark.usefixtures("no_module_left")


class Lying:
    """A library's class whose protocol fails only while the pickler works."""

    def __reduce__(self) -> Any:
        def items() -> Iterator[int]:
            yield 1
            raise RuntimeError("half way")

        return Lying, (), None, items()


VALUES = """
class Text(str):
    def __new__(cls, text, face):
        made = str.__new__(cls, text)
        made.face = face
        return made
class Members(tuple):
    def __new__(cls, *members):
        return tuple.__new__(cls, members)
class Known(str):
    known = {}
    def __new__(cls, text):
        return cls.known.setdefault(text, str.__new__(cls, text))
class Failing(str):
    def __reduce__(self):
        return Text, (str(self),)
"""


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> Any:
    library = types.ModuleType("library_of_values")
    exec(compile(VALUES, "<library>", "exec"), library.__dict__)
    library.__spec__ = types.SimpleNamespace(name=library.__name__, origin="built-in")  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, library.__name__, library)
    return library


def test_values_of_a_library_come_back_whatever_it_takes_to_make_one(values: Any) -> None:
    back = World(
        "from library_of_values import *\ntext, members, known = Text('a', 3), Members('b', 4), Known('c')\n"
        "text.more, nested = 5, Members(Members(), (1,))\n"
    ).again()
    assert (type(back.text), back.text, back.text.face, back.text.more) == (values.Text, "a", 3, 5)
    assert (type(back.members), tuple(back.members)) == (values.Members, ("b", 4))
    assert tuple(back.nested) == ((), (1,)) and type(back.nested[0]) is values.Members
    assert back.known is values.Known("c"), "made by its class, which knows it already"


def test_a_library_s_object_that_cannot_be_made_again_is_a_tombstone_whatever_attributes_it_had(values: Any) -> None:
    back = World("from library_of_values import *\ntext = Failing('a')\ntext.face = other = 5").again()
    assert back.other == 5
    with pytest.raises(TombstoneError):
        back.text.face  # noqa: B018


def test_a_protocol_that_fails_half_way_is_a_tombstone_too() -> None:
    world = World("")
    world.module.liar = Lying()  # type: ignore[attr-defined]
    (tombstone,) = world.encode().tombstones
    assert tombstone.reason == "RuntimeError: half way"


@pytest.mark.parametrize("slots", ["", "    __slots__ = ('mark', '__dict__')\n"])
@pytest.mark.parametrize("taken_apart", [False, True])
def test_attributes_that_all_instances_of_a_library_class_share_are_what_they_were(
    taken_apart: bool, slots: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if taken_apart:
        monkeypatch.setattr("forkpoint.encode.library._TAKEN_APART", frozenset({"lib_of_borgs"}))
    library: Any = types.ModuleType("lib_of_borgs")
    library.__file__ = types.__file__  # beside the standard library's files
    source = f"class State:\n{slots}    _all = {{}}\n    def __init__(self):\n        self.__dict__ = self._all\n"
    exec(compile(source, "<library>", "exec", dont_inherit=True), vars(library))
    sys.modules["lib_of_borgs"] = library
    try:
        world = World(
            "import lib_of_borgs\nstate = lib_of_borgs.State()\nstate.rank = 3\nother = lib_of_borgs.State()\n"
            + ("state.mark = 'own'\n" if slots else "")
        )
        encoded = world.encode()
        library.State._all.clear()  # as a fresh import has it
        module = world._fresh()
        decode(encoded.pods, world.store)
        assert vars(module.state) is vars(module.other) is library.State._all
        assert getattr(module.state, "mark", "") == ("own" if slots else "")
        module.other.device = "cpu"
        assert library.State().rank == 3 and module.state.device == "cpu"
    finally:
        del sys.modules["lib_of_borgs"]


def test_what_frameworks_leave_out_when_sent_elsewhere_is_kept_here(monkeypatch: pytest.MonkeyPatch) -> None:
    library: Any = types.ModuleType("lib_of_loops")
    library.__file__ = types.__file__
    source = "class Loop:\n    def __getstate__(self):\n        return {**vars(self), 'iterator': None}\n"
    exec(compile(source, "<library>", "exec", dont_inherit=True), vars(library))
    monkeypatch.setitem(sys.modules, "lib_of_loops", library)
    program = "from lib_of_loops import Loop\nloop = Loop()\nloop.iterator = iter([1, 2])\n"
    assert World(program).again().loop.iterator is None
    monkeypatch.setattr("forkpoint.encode.library._TAKEN_APART", frozenset({"lib_of_loops"}))
    assert list(World(program).again().loop.iterator) == [1, 2]


@pytest.mark.parametrize("dumps", ["pickle.dumps", "dumps"])
def test_what_a_library_pickles_on_its_own_stays_the_object_it_is(dumps: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes it would be a copy; and a class of the program in them is looked for before its module is filled."""
    library: Any = types.ModuleType("lib_of_bytes")
    library.__file__ = types.__file__
    source = f"""import pickle
from pickle import dumps, loads
class Base:
    def __getstate__(self):
        return dict(vars(self))
class Net(Base):
    def __getstate__(self):
        return {{"weights": {dumps}(self.weights)}}
    def __setstate__(self, state):
        self.weights = loads(state["weights"])
"""
    exec(compile(source, "<library>", "exec", dont_inherit=True), vars(library))
    monkeypatch.setitem(sys.modules, "lib_of_bytes", library)
    program = "import lib_of_bytes\nclass Own(list): pass\nnet = lib_of_bytes.Net()\nnet.weights = alias = Own([1])\n"
    back = World(program).again()
    assert back.net.weights is back.alias and type(back.alias) is back.Own and back.alias == [1]


def test_the_console_that_rich_makes_when_it_needs_one_is_not_looked_for_in_a_fresh_import() -> None:
    rich = pytest.importorskip("rich")
    world = World("import rich\nconsole = rich.get_console()\nconsole.width = 77\n")
    encoded = world.encode()
    rich._console = None
    module = world._fresh()
    decode(encoded.pods, world.store)
    assert module.console.width == 77 and type(module.console) is rich.console.Console


@pytest.mark.parametrize("base", ["list", "dict", "set", "__import__('collections').OrderedDict"])
def test_a_container_of_a_library_that_works_with_its_attributes_when_filled(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pickle fills a list or dict before it has its attributes, and calls a set's class with its content."""
    library: Any = types.ModuleType("lib_of_lists")
    library.__file__ = types.__file__
    source = f"""class Tracked({base}):
    def __init__(self, tracker):
        super().__init__()
        self.tracker = tracker
    def append(self, item):
        self.tracker.append(item)
        super().append(item)
    def extend(self, items):
        for item in items:
            self.append(item)
    def __setitem__(self, key, value):
        self.tracker.append(key)
        super().__setitem__(key, value)
    def add(self, item):
        self.tracker.append(item)
        super().add(item)
"""
    exec(compile(source, "<library>", "exec", dont_inherit=True), vars(library))
    monkeypatch.setitem(sys.modules, "lib_of_lists", library)
    put = {"list": "append(7)", "set": "add(7)"}.get(base, "__setitem__(7, 7)")
    back = World(f"import lib_of_lists\nmade = lib_of_lists.Tracked([])\nmade.{put}\nalias = made.tracker\n").again()
    assert list(back.made) == back.alias == [7] and back.made.tracker is back.alias


def test_what_a_library_marks_a_missing_argument_with_is_that_very_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """joblib's are in a dict and in defaults only: a copy of one is an invalid backend."""
    library: Any = types.ModuleType("lib_of_markers")
    library.__file__ = types.__file__
    source = """class Marker:
    pass
settings = {"backend": Marker(), "jobs": Marker()}
class Parallel:
    def __init__(self, backend=settings["backend"], *, jobs=settings["jobs"]):
        self.given = backend is not settings["backend"], jobs is not settings["jobs"]
"""
    exec(compile(source, "<library>", "exec", dont_inherit=True), vars(library))
    monkeypatch.setitem(sys.modules, "lib_of_markers", library)
    program = "import lib_of_markers as lib\ngiven = {**lib.settings}\nclass Own:\n    pass\nown = Own()\n"
    program += "def other(x=own):\n    return x is own\n"
    back = World(program).again()
    assert back.lib.Parallel(**back.given).given == (False, False)
    assert back.other() and back.other(back.own)


LIBRARY = """
class Session:
    said = ("url",)
    def __init__(self, url=""):
        self.url, self.lock = url, "fresh lock"
    def __getstate__(self):
        return {name: self.__dict__[name] for name in self.said}
    def __setstate__(self, state):
        self.__init__()
        self.__dict__.update(state)
class Symbol:
    def __init__(self, name):
        self.name = name
    def __reduce__(self):
        return type(self), (self.name,)
class Source:
    def __init__(self, seed=0):
        self.seed = seed
    def __reduce__(self):
        return Source, (self.seed,)
"""

PROGRAM = """
import library_of_sessions as library
class Mine(library.Session):
    def __init__(self):
        super().__init__("mine")
        self.count = 0
class Named(library.Symbol):
    def __init__(self, name, unit):
        super().__init__(name)
        self.unit = unit
class Reseeded(library.Source):
    pass
plain, mine, named = library.Session("plain"), Mine(), Named("x", "m")
def tell():
    plain.token = mine.extra = [1]
tell()
keys = {named: 1, frozenset([named]): 2}
"""


def test_attributes_that_a_library_leaves_out_are_kept_where_the_program_has_set_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = types.ModuleType("library_of_sessions")
    library.__spec__ = types.SimpleNamespace(name=library.__name__, origin="built-in")  # type: ignore[assignment]
    exec(compile(LIBRARY, "<library>", "exec"), library.__dict__)
    monkeypatch.setitem(sys.modules, library.__name__, library)
    back = World(PROGRAM).again()
    assert (back.plain.url, back.plain.token, back.plain.lock) == ("plain", [1], "fresh lock")
    assert (back.mine.url, back.mine.count, back.mine.extra) == ("mine", 0, [1])
    assert back.plain.token is back.mine.extra
    assert (back.named.name, back.named.unit, back.keys[back.named]) == ("x", "m", 1)


def test_what_a_library_would_make_one_of_its_own_is_a_tombstone(monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.ModuleType("library_of_sessions")
    library.__spec__ = types.SimpleNamespace(name=library.__name__, origin="built-in")  # type: ignore[assignment]
    exec(compile(LIBRARY, "<library>", "exec"), library.__dict__)
    monkeypatch.setitem(sys.modules, library.__name__, library)
    world = World(PROGRAM + "reseeded = Reseeded(3)\nsource = library.Source(4)\n")
    assert world.again().source.seed == 4
    (tombstone,) = world.encode().tombstones
    assert (tombstone.path, tombstone.reason) == (
        "program_under_test.reseeded",
        "Source is all that its library would make of it",
    )


DESCRIPTORS = """
class Cached:
    def __init__(self, function):
        self.function, self.owner = function, None
    def __set_name__(self, owner, name):
        self.owner, self.name = owner, name
    def __get__(self, obj, owner=None):
        return self if obj is None else obj.__dict__.setdefault("_cached", Bound(obj, self))
    def __reduce__(self):
        return self.find, (self.owner, self.name)
    @staticmethod
    def find(owner, name):
        return vars(owner)[name]
class Bound:
    def __init__(self, obj, descriptor):
        self.obj, self.descriptor = obj, descriptor
    def __reduce__(self):
        return self.descriptor.__get__, (self.obj,)
    def __call__(self, *given):
        return self.descriptor.function(self.obj, *given)
"""


def test_a_descriptor_that_is_looked_up_in_the_program_s_class_is_there_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """cachetools.cachedmethod: the class that holds it is made with it, and what is bound by it asks for it."""
    library = types.ModuleType("library_of_descriptors")
    library.__spec__ = types.SimpleNamespace(name=library.__name__, origin="built-in")  # type: ignore[assignment]
    exec(compile(DESCRIPTORS, "<library>", "exec"), library.__dict__)
    monkeypatch.setitem(sys.modules, library.__name__, library)
    program = "import library_of_descriptors as library\nclass Store:\n    @library.Cached\n    def get(self, k):\n"
    program += "        return k * 2\nstore = Store()\nfirst = store.get(1)\nbound = store.get\n"
    back = World(program).again()
    assert back.bound(4) == back.store.get(3) + 2 == 8
    assert back.store.get is back.bound and vars(back.Store)["get"].owner is back.Store


def test_a_text_stream_of_codecs_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("erste\nzweite\ndritte\n")
    world = World(f"import codecs\nread = codecs.open({str(path)!r}, 'r', 'utf-8')\nfirst = next(read)\n")
    back = world.again()
    assert (back.first, list(back.read)) == ("erste\n", ["zweite\n", "dritte\n"])
    back.read.close()
    world.module.read.close()


def test_a_partial_whose_class_has_slots_calls_what_it_did() -> None:
    back = World(
        "import functools\n"
        "class Bound(functools.partial):\n"
        "    __slots__ = ('func', 'free')\n"
        "    def __init__(self, func, *rest, **named): self.func = 'shown'\n"
        "bound = Bound(max, 3, key=abs)\n"
    ).again()
    assert (back.bound(-5), back.bound.func, back.bound.args) == (-5, "shown", (3,))
    assert not hasattr(back.bound, "free")


def test_what_a_class_offers_under_another_name_than_its_own_is_found_there() -> None:
    class Renamed:
        __setstate__ = vars(list)["append"]

    assert functions._known_as((Renamed,), "append") == "__setstate__"
    assert functions._known_as((Renamed, list), "insert") == "insert"
    assert functions._known_as((Renamed,), "no such thing") == "no such thing"


def test_a_method_that_cython_has_renamed() -> None:
    pytest.importorskip("pandas")
    source = "from pandas._libs.interval import IntervalTree\nplain = vars(IntervalTree)['__setstate__']\n"
    back = World(source).again()
    assert back.plain is vars(back.IntervalTree)["__setstate__"]
