"""What `encode` and `decode` promise beyond single values."""

from __future__ import annotations

import enum
import gc
import operator
import os
import random
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from memory_store import MemoryStore
from world import World

from forkpoint import _native
from forkpoint.capture import descriptors
from forkpoint.encode import chunker
from forkpoint.encode.unpickler import decode, decode_preamble
from forkpoint.errors import IntegrityError, Refused, TombstoneError
from forkpoint.limits import BUFFER_BYTES_MIN, CHUNK_BYTES
from forkpoint.model import ReduceContext

pytestmark = pytest.mark.usefixtures("no_module_left")


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


def test_flags_of_the_program_are_saved_by_their_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython up to 3.11.2 makes a combination out of its members, and a member by looking it up in its class."""

    def protocol(self: Any, version: int) -> Any:
        rest = self._value_ & (self._value_ - 1)
        single = self._value_ & -self._value_
        return (operator.or_, (type(self)(rest), type(self)(single))) if rest else (getattr, (type(self), self._name_))

    monkeypatch.setattr(enum.Flag, "__reduce_ex__", protocol)
    source = "import enum\nclass Perm(enum.Flag):\n    R = enum.auto()\n    W = enum.auto()\nboth = Perm.R | Perm.W\n"
    module = World(source).again()
    assert module.both is module.Perm.R | module.Perm.W and list(module.both) == [module.Perm.R, module.Perm.W]


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


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_what_proc_says_of_the_process_is_not_saved_halfway(mode: str) -> None:
    """Restored, that process is gone, and so is the file."""
    world = World(f"maps = open('/proc/self/maps', {mode!r})\nfirst = maps.readline()\n")
    with pytest.raises(Refused, match=r"/proc/\d+/maps"):
        world.encode()
    world.module.maps.close()
    assert World("maps = open('/proc/self/maps')\nall = maps.read()\nmaps.close()\n").again().maps.closed


@pytest.mark.parametrize("mode", ["a", "ab", "ab, 0"])
def test_a_file_that_is_renamed_while_it_is_saved_has_the_name_it_had(tmp_path: Path, mode: str) -> None:
    how = ", ".join(repr(part) if not part.isdigit() else part for part in mode.split(", "))
    world = World(f"log = open({str(tmp_path / 'log')!r}, {how})\n")
    opened = {file.fd: (file.path, file.offset) for file in descriptors.opened(())}
    (tmp_path / "log").rename(tmp_path / "log.1")
    again = world.again(opened=opened).log
    assert os.readlink(f"/proc/self/fd/{again.fileno()}") == str(tmp_path / "log")
    again.close()
    world.module.log.close()
    (tmp_path / "log").unlink()
    deleted = World(f"import os\nlog = open({str(tmp_path / 'log')!r}, 'w')\nos.unlink(log.name)\n")
    opened = {file.fd: (file.path, file.offset) for file in descriptors.opened(())}
    assert "deleted" in deleted.encode(opened=opened).tombstones[0].reason
    deleted.module.log.close()
