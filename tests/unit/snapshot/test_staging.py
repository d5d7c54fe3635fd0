"""What a child sees of staged memory is what was there at the fork, whatever becomes of it afterwards."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import mmap
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from forkpoint import _native
from forkpoint.limits import ARENA_PATIENCE, HANG_SECONDS, UNSTAGED_COMMITS
from forkpoint.report import Report
from forkpoint.snapshot import forker, staging
from forkpoint.snapshot.hotness import Found
from forkpoint.snapshot.reaper import ChildHandle

PAGE = mmap.PAGESIZE
MIB = 1 << 20
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
GUARD_INSTALL = 102
"""MADV_GUARD_INSTALL (Linux 6.13): pages that fault although /proc/self/maps calls them plain memory."""


class Hung(Exception):
    """A thread of whoever runs the tests was inside malloc at the fork: such a child hangs, and proves nothing."""


def block(size: int) -> mmap.mmap:
    """Private memory full of random bytes."""
    memory = mmap.mmap(-1, size, flags=PRIVATE)
    memory[:] = os.urandom(size)
    return memory


def whole(memory: mmap.mmap | memoryview) -> tuple[int, int]:
    return _native.buffer_address(memory), len(memory)


def request(arena: mmap.mmap, ranges: Sequence[tuple[int, int]]) -> tuple[int, int, bytes, bool]:
    numbers = b"".join(struct.pack("=QQ", *one) for one in sorted(ranges))
    return _native.buffer_address(arena), len(arena), numbers, False


def start(
    arena: mmap.mmap, ranges: Sequence[tuple[int, int]], question: Callable[[], str]
) -> tuple[ChildHandle, Callable[[], str]]:
    """A child that answers `question()` once it is asked to: when the program has gone on to write."""
    gate = mmap.mmap(-1, PAGE)

    def answer(side: forker.ChildSide) -> Report:
        while not gate[0]:
            os.sched_yield()
        return Report("K", message=question())

    child = forker.fork(answer, deadline_seconds=HANG_SECONDS + 20, staging=request(arena, ranges))

    def ask() -> str:
        gate[0] = 1
        report = child.wait()
        assert report is not None
        if "hung on a lock" in report.message:
            raise Hung
        assert report.status == "K", report.message
        return report.message

    return child, ask


def digest(memories: Sequence[mmap.mmap | memoryview]) -> str:
    return hashlib.sha256(b"".join(memories)).hexdigest()


def test_the_child_has_the_bytes_of_the_fork_and_the_program_its_own() -> None:
    memory, arena = block(4 * MIB), mmap.mmap(-1, 4 * MIB)
    before = digest([memory])
    child, ask = start(arena, [whole(memory)], lambda: digest([memory]))
    memory[:] = bytes(len(memory))
    assert child.staged[1] == len(memory)
    assert ask() == before
    assert memory[:] == bytes(len(memory))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=8), st.integers(0, 3))
def test_any_mixture_of_staged_and_shared_memory_is_frozen_under_a_thread_that_writes(
    blocks: list[tuple[int, bool]], edge: int
) -> None:
    margin = 64 << 10  # beside what the thread itself writes to, which is never staged
    memories = [memoryview(block(pages * PAGE + 2 * margin))[margin:-margin] for pages, _ in blocks]
    ranges = []
    for memory, (pages, staged) in zip(memories, blocks, strict=True):
        if staged and pages > edge:  # the pages before are shared: a buffer seldom begins where a page does
            ranges.append((_native.buffer_address(memory) + edge * PAGE, (pages - edge) * PAGE))
    arena = mmap.mmap(-1, max(sum(size for _, size in ranges), PAGE))
    before = digest(memories)
    child, ask = start(arena, ranges, lambda: digest(memories))
    ended = threading.Event()

    def write() -> None:
        value = 0
        while not ended.is_set():
            value = (value + 1) % 256
            for memory in memories:
                memory[:] = bytes([value]) * len(memory)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert child.staged[1] == sum(size for _, size in ranges)
        assert ask() == before
    except Hung:
        reject()
    finally:
        ended.set()
        writer.join()


def test_memory_that_is_gone_or_something_else_by_now_is_not_staged(tmp_path: Path) -> None:
    arena = mmap.mmap(-1, 16 * MIB)
    good, gone, readonly, half = block(MIB), block(MIB), block(MIB), block(MIB)
    shared = mmap.mmap(-1, MIB)
    (tmp_path / "file").write_bytes(os.urandom(MIB))
    with (tmp_path / "file").open("r+b") as opened:
        mapped = mmap.mmap(opened.fileno(), MIB, flags=mmap.MAP_PRIVATE)
    here = whole(gone)
    libc = ctypes.CDLL(None)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    assert libc.mprotect(_native.buffer_address(readonly), MIB, mmap.PROT_READ) == 0
    assert libc.mprotect(_native.buffer_address(half) + MIB // 2, PAGE, 0) == 0
    stack = next(line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines() if "[stack]" in line)
    top = int(stack.split("-")[1], 16)
    ranges = [here, *map(whole, (good, readonly, half, shared, mapped)), (top - 16 * PAGE, 8 * PAGE), (PAGE, PAGE)]
    before = digest([good, readonly, mapped])
    gone.close()  # only now: somebody may soon have other memory there
    child, ask = start(arena, ranges, lambda: digest([good, readonly, mapped]))
    good[:] = bytes(MIB)
    assert child.staged[1] == MIB
    assert ask() == before


def test_a_fault_while_copying_leaves_that_memory_to_copy_on_write() -> None:
    memory, other, arena = block(MIB), block(MIB), mmap.mmap(-1, 2 * MIB)
    guarded = 0
    try:
        memory.madvise(GUARD_INSTALL, MIB // 2, PAGE)
        guarded = MIB
    except OSError:
        pass  # an older kernel: there is no such memory
    before = digest([other])
    child, ask = start(arena, [whole(memory), whole(other)], lambda: digest([other]))
    other[:] = bytes(MIB)
    assert child.staged[1] == 2 * MIB - guarded
    assert ask() == before


def test_the_whole_heap_of_the_interpreter_can_be_staged() -> None:
    """What was a buffer may be Python objects by now: a child works on staged copies of them as well."""
    ranges = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, permissions, _, _, inode, *_ = line.split()
        first, last = (int(bound, 16) for bound in bounds.split("-"))
        static = first <= threading.get_ident() < last or last - first < MIB  # never a buffer: libraries' own variables
        if permissions == "rw-p" and inode == "0" and "[stack" not in line and not static:
            ranges.append((first, last - first))
    words = [str(number) for number in range(10_000)]
    arena = mmap.mmap(-1, sum(size for _, size in ranges))
    child, ask = start(arena, ranges, lambda: hashlib.sha256("".join(words).encode()).hexdigest())
    before = hashlib.sha256("".join(words).encode()).hexdigest()
    words[:] = [word * 2 for word in words]
    assert child.staged[1] > MIB
    assert ask() == before


def test_what_the_copying_itself_uses_is_never_staged() -> None:
    """Its variables, and this thread's local storage: the child would look for them before it has them."""
    thread = ctypes.CDLL(None)["pthread_self"]
    thread.restype = ctypes.c_ulong
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    maps = [(*(int(end, 16) for end in line[0].split("-")), line[1:]) for line in lines]
    at = max(number for number, (*_, rest) in enumerate(maps) if rest[-1] == _native.__file__)
    first, end, rest = maps[at + 1]
    assert first == maps[at][1] and rest[0] == "rw-p" and len(rest) == 4, "the module's variables, zero at first"
    place = thread() // PAGE * PAGE
    for one in ((first, end - first), (place, PAGE)):
        child, ask = start(mmap.mmap(-1, one[1]), [one], lambda: "alive")
        assert child.staged[1] == 0
        assert ask() == "alive"


def test_forks_of_the_program_itself_have_the_memory_and_the_arena_too() -> None:
    """Where it was left out, something else came to lie there, and went with the engine's arena when that was freed."""
    memory, arena = block(MIB), mmap.mmap(-1, MIB)
    _, ask = start(arena, [whole(memory)], lambda: "")
    ask()
    place = f"{_native.buffer_address(arena):x}-"
    pid = os.fork()
    if pid == 0:
        there = any(line.startswith(place) for line in Path("/proc/self/maps").read_text().splitlines())
        os._exit(2 if not there else 0 if hashlib.sha256(memory).digest() else 1)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("ranges", [[(PAGE, 2 * MIB)], [(PAGE + 1, PAGE)], [(PAGE, 2 * PAGE), (2 * PAGE, PAGE)]])
def test_ranges_that_make_no_sense_are_an_error(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="whole pages"):
        _native.fork((), -1, request(mmap.mmap(-1, MIB), ranges))


# ---------------------------------------------------------------- what is learned from one child to the next


def take(kept: staging.Staging, found: Sequence[Found] | None) -> int:
    """One commit whose child finds these buffers; the bytes that were staged for it."""

    def body(side: forker.ChildSide) -> Report:
        kept.begin()
        kept.tell(found)
        return Report("K")

    child = forker.fork(body, deadline_seconds=20, staging=kept.request())
    report = child.wait()
    assert report is not None
    assert report.status == "K"
    kept.learn()
    return child.staged[1]


def test_what_changed_is_staged_once_a_child_has_touched_the_arena() -> None:
    kept = staging.Staging(64 * MIB)
    hot = block(MIB)
    found = [Found(*whole(hot), 1.0)]
    assert [take(kept, found) for _ in range(4)] == [0, 0, MIB, MIB]
    assert [take(kept, None) for _ in range(2)] == [MIB, MIB]  # nothing could be compared: as before
    assert [take(kept, [Found(*whole(hot), 0.0)]) for _ in range(2)] == [MIB, 0]
    assert {take(kept, [Found(*whole(hot), 0.0)]) for _ in range(ARENA_PATIENCE)} == {0}
    held = kept.request()
    assert held is None or held[1] < MIB  # some pages that pytest itself rewrites may be worth an arena of their own


def test_an_arena_that_is_too_small_is_used_until_the_next_one_is_there() -> None:
    kept = staging.Staging(64 * MIB)
    first, second = block(MIB), block(4 * MIB)
    found = [Found(*whole(first), 1.0)]
    assert [take(kept, found) for _ in range(3)] == [0, 0, MIB]
    found.append(Found(*whole(second), 0.9))
    copied = [take(kept, found) for _ in range(4)]
    assert copied[0] == MIB and 0 < copied[1] < 2 * MIB
    assert copied[2:] == [5 * MIB, 5 * MIB]


def test_freed_memory_is_staged_where_there_is_room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native, "is_alone", lambda: True)
    for limit, covers in ((64 * MIB, True), (2 * MIB, False)):
        kept = staging.Staging(limit)
        found = [Found(*whole(memory), 1.0) for memory in (block(MIB), block(2 * MIB))]
        for _ in range(3):
            take(kept, found)
        asked = kept.request()
        assert asked is not None and asked[3] is covers
        take(kept, found[:1])  # less is hot: what was too much once may be so again
        asked = kept.request()
        assert asked is not None and asked[3] is covers
    monkeypatch.setattr(_native, "is_alone", lambda: False)
    assert kept.request()[3] is False  # type: ignore[index]


@pytest.mark.parametrize(("alone", "expected"), [(True, [0, 0, 2, 2, 1, 1, 1, 1]), (False, [0] * 8)])
def test_memory_that_is_no_buffer_is_staged_while_the_program_rewrites_it(
    monkeypatch: pytest.MonkeyPatch, alone: bool, expected: list[int]
) -> None:
    """Two blocks: the program writes one of them while each child lives, the other only the child does."""
    monkeypatch.setattr(_native, "is_alone", lambda: alone)
    kept = staging.Staging(64 * MIB)
    memory = memoryview(block(48 * MIB))
    program, child = memory[: 24 * MIB], memory[24 * MIB :]

    def body(side: forker.ChildSide) -> Report:
        kept.begin()
        own = block(24 * MIB)
        child[::PAGE] = bytes(len(child) // PAGE)
        while not told[0]:
            pass
        kept.tell([])
        own.close()
        return Report("K")

    copied = []
    for turn in range(1, 9):
        told = mmap.mmap(-1, PAGE)
        forked = forker.fork(body, deadline_seconds=20, staging=kept.request())
        program[:] = bytes([turn]) * len(program)
        told[0] = 1
        report = forked.wait()
        assert report is not None
        kept.learn()
        copied.append(round(forked.staged[1] / (24 * MIB)))
    assert copied == expected


def test_staged_memory_that_the_child_itself_gave_back_is_not_looked_at() -> None:
    """As malloc does, of its own accord, when the child frees what ends its heap."""
    kept = staging.Staging(64 * MIB)
    hot = block(MIB)
    for _ in range(3):
        take(kept, [Found(*whole(hot), 1.0)])

    def body(side: forker.ChildSide) -> Report:
        kept.begin()
        hot.close()
        kept.tell([])
        return Report("K")

    child = forker.fork(body, deadline_seconds=20, staging=kept.request())
    report = child.wait()
    assert child.staged[1] == MIB
    assert report is not None and report.status == "K", report


ALONE = """
import threading
from forkpoint import _native
assert _native.is_alone()
_native.ticks_start(print, 1000.0)
assert _native.is_alone()
ended = threading.Event()
threading.Thread(target=ended.wait).start()
assert not _native.is_alone()
ended.set()
"""


def test_only_our_own_threads_do_not_count() -> None:
    subprocess.run([sys.executable, "-c", ALONE], check=True)


def test_a_child_that_died_without_a_word_ends_staging_for_a_while_and_longer_each_time() -> None:
    kept = staging.Staging(64 * MIB)
    found = [Found(*whole(hot := block(MIB)), 1.0)]
    for _ in range(3):
        take(kept, found)
    assert take(kept, found) == MIB
    for silent in (1, 2):
        kept.give_up()
        pause = silent * UNSTAGED_COMMITS
        staged = [take(kept, found) for _ in range(pause + 4)]
        assert not any(staged[:pause]) and staged[-1] == MIB
    assert len(hot) == MIB


def test_a_limit_of_zero_turns_staging_off() -> None:
    kept = staging.Staging(0)
    found = [Found(*whole(hot := block(MIB)), 1.0)]
    assert [take(kept, found) for _ in range(4)] == [0, 0, 0, 0]
    assert len(hot) == MIB


@pytest.mark.parametrize(("error", "staged"), [(errno.EINVAL, MIB), (errno.ENOMEM, 0)])
def test_an_arena_without_memory_behind_it_is_not_used(
    monkeypatch: pytest.MonkeyPatch, error: int, staged: int
) -> None:
    """An older kernel is told apart from a machine that has none left."""

    class Arena(mmap.mmap):
        def madvise(self, option: int, *rest: int) -> None:
            raise OSError(error, "")

    monkeypatch.setattr(mmap, "mmap", Arena)
    kept = staging.Staging(64 * MIB)
    found = [Found(*whole(hot := block(MIB)), 1.0)]
    assert [take(kept, found) for _ in range(3)] == [0, 0, staged]
    assert len(hot) == MIB
