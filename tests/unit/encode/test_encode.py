"""What `encode` and `decode` promise beyond single values."""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forkpoint import _native
from forkpoint.capture import libraries, roots
from forkpoint.encode import chunker
from forkpoint.encode.pickler import encode
from forkpoint.encode.unpickler import decode, decode_preamble
from forkpoint.errors import IntegrityError, Refused, TombstoneError
from forkpoint.limits import BUFFER_BYTES_MIN, CHUNK_BYTES
from forkpoint.model import Encoded, ProgramImage, ReduceContext

sys.path.insert(0, str(Path(__file__).parent))
from memory_store import MemoryStore  # noqa: E402


class World:
    """A program of one module, encoded and decoded in this process."""

    def __init__(self, source: str) -> None:
        self.module = self._fresh()
        exec(compile(source, "<program>", "exec", dont_inherit=True), self.module.__dict__)
        self.store = MemoryStore()

    @staticmethod
    def _fresh() -> types.ModuleType:
        module = types.ModuleType("program_under_test")
        sys.modules[module.__name__] = module
        return module

    def encode(self, **options: Any) -> Encoded:
        found = roots.find()
        only = roots.Roots((self.module,), found.imports)
        image = ProgramImage((self.module,), found.imports, None, {})
        options.setdefault("reducers", {})
        return encode(image, named=libraries.named(only), sink=self.store, **options)

    def again(self, **options: Any) -> types.ModuleType:
        encoded = self.encode(**options)
        module = self._fresh()
        decode(encoded.pods, self.store)
        return module


@pytest.fixture(autouse=True)
def _no_module_left() -> Iterator[None]:
    yield
    sys.modules.pop("program_under_test", None)


class Blob:
    """An object of a library with a large buffer: what an adapter's reducer saves."""

    def __init__(self, data: bytearray) -> None:
        self.data = data


def rebuild_blob(source: Any) -> Blob:
    blob = Blob(bytearray(source.nbytes))
    source.readinto(memoryview(blob.data))
    return blob


def reduce_blob(obj: Blob, context: ReduceContext) -> Any:
    return rebuild_blob, (context.buffer(memoryview(obj.data), 4),)


def test_a_large_buffer_is_a_pod_of_fixed_chunks_and_its_owner_keeps_its_aliases() -> None:
    world = World("one = two = None")
    data = bytearray(random.Random(1).randbytes(CHUNK_BYTES * 2 + 100))
    world.module.one = world.module.two = Blob(data)  # type: ignore[attr-defined]
    world.module.small = Blob(bytearray(b"tiny"))  # type: ignore[attr-defined]
    encoded = world.encode(reducers={Blob: reduce_blob})
    (pod,) = [pod for pod in encoded.pods if pod.kind == "buffer"]
    assert pod.length == len(data) >= BUFFER_BYTES_MIN
    assert [size for kind, itemsize, size in world.store.kinds if (kind, itemsize) == ("buffer", 4)] == [
        CHUNK_BYTES, CHUNK_BYTES, 100,
    ]  # fmt: skip
    restored = World._fresh()
    decode(encoded.pods, world.store)
    assert restored.one is restored.two
    assert restored.one.data == data
    assert restored.small.data == b"tiny"


def test_a_reducer_that_refuses_stops_the_dump() -> None:
    def refuse(obj: Blob, context: ReduceContext) -> Any:
        raise Refused("an open graph")

    world = World("")
    world.module.deep = [{"x": Blob(bytearray())}]  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="an open graph"):
        world.encode(reducers={Blob: refuse})


def test_what_only_unread_slots_hold_is_saved_last_and_told_of() -> None:
    def refuse_if_read(obj: Blob, context: ReduceContext) -> Any:
        if not context.unread:
            raise Refused("an open graph")
        return Blob, (obj.data,)

    world = World("")
    left, kept = Blob(bytearray(b"left")), {"kept": 1}
    slots = [left, kept, [left, kept]]
    world.module.slots, world.module.kept = slots, kept  # type: ignore[attr-defined]
    encoded = world.encode(reducers={Blob: refuse_if_read}, unread=[(slots, 0), (slots, 2)])
    assert slots == [left, kept, [left, kept]]
    restored = World._fresh()
    decode(encoded.pods, world.store)
    first, second, third = restored.slots
    assert first.data == b"left" and third[0] is first and second is third[1] is restored.kept
    with pytest.raises(Refused):
        world.encode(reducers={Blob: refuse_if_read}, unread=[(slots, 0)])  # the list beside it is read


def test_a_lock_of_a_library_that_is_held_makes_the_commit_wait() -> None:
    import logging
    import tempfile

    world = World("")
    world.module.locks = [logging._lock, tempfile._once_lock]  # type: ignore[attr-defined]
    assert world.again().locks[1] is tempfile._once_lock
    for lock in (logging._lock, tempfile._once_lock):
        world.module.locks = [lock]  # type: ignore[attr-defined]
        with lock, pytest.raises(Refused, match=r"the lock (logging|tempfile)\._\w*lock is held"):
            world.encode()


def test_what_answers_oddly_stops_neither_the_dump_nor_the_search_for_a_path() -> None:
    """A proxy whose object is gone raises when it is asked anything; a class may have a descriptor as `__module__`."""
    world = World(
        "import weakref, socket\n"
        "class Thing: pass\n"
        "gone = weakref.proxy(Thing())\n"
        "class Odd: pass\n"
        "Odd.__module__ = property(lambda self: 'odd')\n"
        "odd = Odd()\n"
    )
    closed = world.module.socket.socket()  # type: ignore[attr-defined]
    closed.close()
    world.module.last = [world.module.gone, closed]  # type: ignore[attr-defined]
    (lost,) = world.encode().tombstones
    assert lost.path == "program_under_test.last[1]"
    assert type(world.again().odd).__name__ == "Odd"


def test_a_reducer_that_declines_or_fails_does_not_stop_the_dump() -> None:
    def decline(obj: Blob, context: ReduceContext) -> Any:
        return NotImplemented

    def fail(obj: Blob, context: ReduceContext) -> Any:
        raise RuntimeError("broken adapter")

    world = World("")
    world.module.blob = Blob(bytearray(b"x"))  # type: ignore[attr-defined]
    assert world.again(reducers={Blob: decline}).blob.data == b"x"
    encoded = world.encode(reducers={Blob: fail})
    assert [(t.path, t.reason) for t in encoded.tombstones] == [
        ("program_under_test.blob", "RuntimeError: broken adapter")
    ]


class Lying:
    """A library's class whose protocol fails only while the pickler works."""

    def __reduce__(self) -> Any:
        def items() -> Iterator[int]:
            yield 1
            raise RuntimeError("half way")

        return Lying, (), None, items()


def test_a_library_s_object_that_cannot_be_made_again_is_a_tombstone_whatever_attributes_it_had() -> None:
    """A str that wants more than its text, as some libraries have them: the restore fails without the guard."""
    library = types.ModuleType("library_of_texts")
    source = "class Text(str):\n def __new__(cls, text, face):\n  made = str.__new__(cls, text)\n"
    exec(compile(source + "  made.face = face\n  return made\n", "<library>", "exec"), library.__dict__)
    library.Text.__module__ = library.__name__
    library.__spec__ = types.SimpleNamespace(name=library.__name__, origin="built-in")  # type: ignore[assignment]
    sys.modules[library.__name__] = library
    try:
        world = World("import library_of_texts\ntext = library_of_texts.Text('a', 3)\nother = 5")
        back = world.again()
    finally:
        del sys.modules[library.__name__]
    assert back.other == 5
    with pytest.raises(TombstoneError):
        back.text.face  # noqa: B018


def test_a_protocol_that_fails_half_way_is_a_tombstone_too() -> None:
    world = World("")
    world.module.liar = Lying()  # type: ignore[attr-defined]
    (tombstone,) = world.encode().tombstones
    assert tombstone.reason == "RuntimeError: half way"


def test_a_restored_program_is_saved_and_restored_again() -> None:
    source = (
        "class A:\n    def __hash__(self): return 1\n    def me(self): return __class__, self\n"
        "a = A(); s = {a, 'x'}; g = (i for i in range(9)); next(g); f = a.me\n"
        "it = iter({'k': 1, 'l': 2}); next(it)\n"
    )
    world = World(source)
    for generation in range(2, 5):
        world.module = world.again()
        module = world.module
        assert module.f() == (module.A, module.a)
        assert module.a in module.s
        assert next(module.g) == generation - 1
    assert list(world.module.it) == ["l"]


def test_what_cannot_be_saved_is_named_in_the_users_words_and_says_so_when_touched() -> None:
    world = World(
        "import select\n"
        "class Loader: pass\n"
        "class Trainer: pass\n"
        "trainer = Trainer(); trainer.loader = Loader(); trainer.loader._poll = select.epoll()\n"
    )
    (tombstone,) = world.encode().tombstones
    assert tombstone.path == "program_under_test.trainer.loader._poll"
    assert tombstone.type == "select.epoll"
    restored = world.again()
    with pytest.raises(TombstoneError, match=r"trainer\.loader\._poll \(select\.epoll\)"):
        restored.trainer.loader._poll.poll()
    with pytest.raises(TombstoneError):
        bool(restored.trainer.loader._poll)
    (second,) = world.encode().tombstones
    assert second == tombstone


def test_a_list_of_100000_nodes_is_dumped_loaded_and_freed() -> None:
    world = World(
        "class Node:\n"
        "    def __init__(self, following): self.following = following\n"
        "head = None\n"
        "nested = []\n"
        "for _ in range(100_000):\n"
        "    head = Node(head)\n"
        "    nested = [nested]\n"
    )
    restored = world.again()
    count, node = 0, restored.head
    while node is not None:
        count, node = count + 1, node.following
    assert count == 100_000
    restored.__dict__.clear()
    world.module.__dict__.clear()
    gc.collect()


def test_the_deep_stack_is_this_thread_and_hands_exceptions_on() -> None:
    me = threading.get_ident()
    assert _native.call_deep(threading.get_ident) == me
    with pytest.raises(ZeroDivisionError):
        _native.call_deep(lambda: 1 // 0)
    limit = sys.getrecursionlimit()

    def depth(n: int) -> int:
        return 0 if n == 0 else 1 + depth(n - 1)

    assert _native.call_deep(lambda: depth(limit * 3)) == limit * 3
    with pytest.raises(RecursionError):
        depth(limit * 3)


def test_the_deep_stack_leaves_the_machine_its_memory() -> None:
    def sizes() -> list[int]:
        ends = [line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines()]
        return [int(end, 16) - int(start, 16) for start, end in ends]

    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    before = sizes()
    assert machine / 16 < sum(_native.call_deep(sizes)) - sum(before) < machine / 7


def test_stream_boundaries_survive_an_insertion() -> None:
    def cuts(data: bytes) -> list[bytes]:
        pieces, start = [], 0
        while length := chunker.stream_cut(data, start):
            pieces.append(data[start : start + length])
            start += length
        return pieces

    data = random.Random(5).randbytes(3_000_000)
    before, after = cuts(data), cuts(data[:1000] + b"inserted" + data[1000:])
    assert len(before) > 20
    assert len(set(before) - set(after)) <= 2
    assert all(chunker.STREAM_CHUNK_MIN_BYTES <= len(p) <= chunker.STREAM_CHUNK_MAX_BYTES for p in before)
    assert cuts(bytes(2_000_000))[0] == bytes(chunker.STREAM_CHUNK_MAX_BYTES) or len(cuts(bytes(2_000_000))) > 7


def test_the_preamble_is_read_without_unpickling(tmp_path: Path) -> None:
    source = tmp_path / "program_under_test.py"
    source.write_text("value = 1\n")
    world = World("")
    world.module.__file__ = str(source)
    encoded = world.encode()
    preamble = decode_preamble(encoded.pods, world.store)
    assert preamble.modules[0].name == "program_under_test"
    assert preamble.modules[0].file == str(source)
    assert preamble.sources[str(source)] == "value = 1\n"
    assert tuple(sys.path) == preamble.path
    assert "json" in preamble.imports
    damaged = MemoryStore()
    damaged.chunks = dict.fromkeys(world.store.chunks, b"{")
    with pytest.raises(IntegrityError):
        decode_preamble(encoded.pods, damaged)


def test_a_module_keeps_the_order_of_its_names_and_its_very_dict() -> None:
    world = World("b = 1\na = 2\ndef f(): return a\n")
    expected = [name for name in world.module.__dict__ if name not in ("__builtins__", "__loader__", "__spec__")]
    restored = world.again()
    names = [name for name in restored.__dict__ if name not in ("__builtins__", "__loader__", "__spec__")]
    assert names == expected
    assert restored.f.__globals__ is restored.__dict__


def test_set_tables_are_read_and_filled_exactly() -> None:
    rng = random.Random(9)
    for _ in range(200):
        original = set(rng.sample(range(1000), rng.randrange(60)))
        for key in list(original)[::2]:
            original.discard(key)
        read = _native.set_read(original)
        filled: set[int] = {1, 2, 3}
        assert _native.set_fill(filled, *read)
        assert _native.set_read(filled) == read
        original.add(5000)
        filled.add(5000)
        assert list(filled) == list(original)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="f_locals is a dict")
def test_a_view_of_a_frame_s_locals_is_refused() -> None:
    with pytest.raises(Refused, match="f_locals"):
        World("import sys\ndef f():\n    return sys._getframe().f_locals\nview = f()\n").encode()


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


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_what_proc_says_of_the_process_is_not_saved_halfway(mode: str) -> None:
    """Restored, that process is gone, and so is the file."""
    world = World(f"maps = open('/proc/self/maps', {mode!r})\nfirst = maps.readline()\n")
    with pytest.raises(Refused, match=r"/proc/\d+/maps"):
        world.encode()
    world.module.maps.close()
    assert World("maps = open('/proc/self/maps')\nall = maps.read()\nmaps.close()\n").again().maps.closed
