"""Freed memory of the C library is left out of the fork; what is in use never is, and malloc works in the child."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the lists of glibc are read")

HEAD = """
import ctypes, mmap, os, pathlib, random, sys, threading
from forkpoint import _native

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD: all of it from the heap
MIB = 1 << 20
ANY = 0x40000000  # __WALL: also a child that sends no signal
arena = mmap.mmap(-1, mmap.PAGESIZE)

def fork(covers=False):
    return _native.fork((), 1, (_native.buffer_address(arena), len(arena), b"", covers))[0]

def end(status):
    os._exit(status)

def held():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE // MIB

def found(place, size):
    "The values of its bytes, without the first and the last MiB: looked at in small pieces, not to be allocated there."
    return {byte for at in range(place + MIB, place + size - MIB, 4096) for byte in ctypes.string_at(at, 64)}

def freed(size):
    "Fill so many bytes, then free them between two blocks that stay; the three addresses."
    # More than is free so far; the fourth, of another list, serves what is small from now on.
    sizes = (8 * MIB, size, 8 * MIB, MIB // 4, MIB)
    low, place, high, spare, _ = (libc.malloc(bytes_) for bytes_ in sizes)
    for at, bytes_ in zip((low, place, high), sizes):
        ctypes.memset(at, 0xAB, bytes_)
    libc.free(spare)
    libc.free(place)
    return low, place, high
"""


def run(program: str) -> str:
    """What the program and its children print."""
    ended = subprocess.run([sys.executable, "-c", HEAD + program], capture_output=True, text=True, check=False)
    assert ended.stderr == "" and ended.returncode == 0, ended
    return ended.stdout


def test_the_child_has_zeros_there_and_the_program_what_it_had() -> None:
    assert (
        run("""
low, place, high = freed(20 * MIB)
before, pid = held(), fork()
if pid == 0:
    print(found(place, 20 * MIB) == {0}, found(low, 8 * MIB) == found(high, 8 * MIB) == {0xAB}, flush=True)
    end(0)
os.waitpid(pid, ANY)
print(abs(held() - before) < 2, ctypes.string_at(place + MIB, 4096) == b"\\xab" * 4096)
""").split()
        == ["True"] * 4
    )


RANDOM = """
rng = random.Random({seed})
blocks = {{}}

def change(times):
    for _ in range(times):
        if blocks and rng.random() < 0.5:
            libc.free(blocks.pop(rng.choice([*blocks]))[0])
        size = int(2 ** rng.uniform(4, 22))
        place, fill = libc.malloc(size), rng.randrange(256)
        ctypes.memset(place, fill, size)
        blocks[place] = (place, size, fill)

def whole():
    return all(ctypes.string_at(place, size) == bytes([fill]) * size for place, size, fill in blocks.values())

for turn in range(12):
    change(60)
    while sum(size for _, size, _ in blocks.values()) > 60 * MIB:
        libc.free(blocks.pop(rng.choice([*blocks]))[0])
    pid = fork()
    if pid == 0:
        good = whole()
        change(200)
        end(0 if good and whole() else 1)
    change(60)  # while the child lives
    print(os.waitstatus_to_exitcode(os.waitpid(pid, ANY)[1]), whole())
"""


@pytest.mark.parametrize("seed", range(4))
def test_what_is_in_use_is_whole_on_both_sides_and_both_may_go_on_allocating(seed: int) -> None:
    assert run(RANDOM.format(seed=seed)) == "0 True\n" * 12


GIVEN_BACK = """
freed(50 * MIB)
begun, over = threading.Event(), threading.Event()
if {others}:
    threading.Thread(target=lambda: (begun.set(), over.wait())).start()
    begun.wait()
before, pid = held(), fork({covers})
if pid == 0:
    end(0)
print(before - held())
over.set()
"""


@pytest.mark.parametrize(
    ("others", "covers", "expected"),
    [(False, False, range(-1, 2)), (True, True, range(-1, 2)), (True, False, range(45, 55))],
)
def test_beside_other_threads_it_is_given_back_unless_all_that_is_hot_is_staged(
    others: bool, covers: bool, expected: range
) -> None:
    assert int(run(GIVEN_BACK.format(others=others, covers=covers))) in expected


@pytest.mark.parametrize("word", [1, 2, 3], ids=["size", "next", "last"])
def test_where_the_lists_do_not_fit_together_nothing_is_left_out(word: int) -> None:
    """Our child is the only one to see it: the program mends them before its next allocation."""
    assert (
        run(f"""
fork() or end(0)  # the lists are found
low, place, high = freed(20 * MIB)
libc.free(libc.malloc(21 * MIB))  # which sorts it into its list
words = (ctypes.c_size_t * 4).from_address(place - 16)
before, words[{word}] = words[{word}], words[{word}] ^ 0x7F0
pid = fork(covers=True)
words[{word}] = before
if pid == 0:
    print(found(place, 20 * MIB) == {{0xAB}}, flush=True)
    end(0)
os.waitpid(pid, ANY)
""")
        == "True\n"
    )


ZERO = """
def is_left_out(place, size):
    pid = fork(covers=True)
    if pid == 0:
        end(found(place, size) == {0})
    return os.waitstatus_to_exitcode(os.waitpid(pid, ANY)[1]) == 1
"""


def test_the_lists_are_found_by_the_first_fork_when_the_heap_ends_in_free_memory() -> None:
    assert (
        run(f"""{ZERO}
libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD: the end is kept
high = libc.malloc(64 * MIB)
while libc.malloc(2000) < high:
    pass  # what is free before it is used up
last = libc.malloc(20 * MIB)
ctypes.memset(last, 0xAB, 20 * MIB)
libc.free(last)
print(is_left_out(last, 20 * MIB))
""")
        == "True\n"
    )


def test_the_lists_are_found_by_the_first_fork_behind_many_chunks_that_are_not_sorted_yet() -> None:
    assert (
        run(f"""{ZERO}
small = [libc.malloc(1040) for _ in range(80000)]
low, place, high = freed(20 * MIB)
for at in small[::2]:  # malloc sorts no more than 10000 of them at a time
    libc.free(at)
print(is_left_out(place, 20 * MIB))
""")
        == "True\n"
    )


def test_the_largest_are_left_out_where_there_are_too_many() -> None:
    assert (
        run(f"""{ZERO}
blocks = [libc.malloc(100_000) for _ in range(1400)]
low, place, high = freed(30 * MIB)
for at in blocks[::2]:
    libc.free(at)
libc.free(libc.malloc(40 * MIB))  # sorts them into their lists
print(is_left_out(place, 30 * MIB))
""")
        == "True\n"
    )


def test_what_an_earlier_child_wrote_to_freed_memory_that_was_staged_is_not_in_the_next() -> None:
    assert (
        run("""
import struct
arena = mmap.mmap(-1, 4 * MIB)
low, place, high = freed(20 * MIB)
inside = (place + 8 * MIB) // 4096 * 4096
ranges = struct.pack("QQ", inside, 4 * MIB)
for _ in range(2):
    pid = _native.fork((), 1, (_native.buffer_address(arena), len(arena), ranges, False))[0]
    if pid == 0:
        print(found(inside - MIB, 6 * MIB), flush=True)
        ctypes.memset(libc.malloc(20 * MIB), 0xCD, 20 * MIB)
        end(0)
    os.waitpid(pid, ANY)
""")
        == "{0}\n{0}\n"
    )


LIMIT = """
most = int(open("/proc/sys/vm/max_map_count").read())
blocks = [libc.malloc(200_000) for _ in range(100)]
for at in blocks:
    ctypes.memset(at, 0xAB, 200_000)
for at in blocks[::2]:
    libc.free(at)
libc.free(libc.malloc(40 * MIB))  # sorts them into their lists
libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 4
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
place = libc.mmap(None, most * 2 * mmap.PAGESIZE, 0, 0x4022, -1, 0)  # MAP_NORESERVE
for number in range((most - 20 - open("/proc/self/maps").read().count("\\n")) // 2):
    assert libc.mprotect(place + (2 * number + 1) * mmap.PAGESIZE, mmap.PAGESIZE, mmap.PROT_READ) == 0
pid = fork(covers=True)
if pid == 0:
    end({byte for at in blocks[1::2] for byte in ctypes.string_at(at, 64)} != {0xAB})
print(os.waitstatus_to_exitcode(os.waitpid(pid, ANY)[1]), open("/proc/self/smaps").read().count(" dc "))
"""


def test_where_the_process_may_have_no_more_mappings_all_is_forked_and_nothing_stays_left_out() -> None:
    if int(Path("/proc/sys/vm/max_map_count").read_text()) > 1 << 17:
        pytest.skip("so many mappings take too long")
    assert run(LIMIT) == "0 0\n"
