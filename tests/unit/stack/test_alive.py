"""Which object lives at an address: those of the collector are found, what is gone or was never one is not."""

from __future__ import annotations

import ctypes
import gc
import platform
import random
import struct
import subprocess
import sys
from typing import Any

import pytest

from forkpoint import _native


def found_at(places: list[int]) -> list[Any]:
    """What is alive at these places, but for what is only there while they are looked at."""
    looked_at = iter(places)
    found = (_native.alive(place) for place in looked_at if place != id(looked_at))
    return [one for one in found if one is not _native.NULL]


def are_objects(found: list[Any]) -> bool:
    """Whether each is known to the collector, or a tuple or dict, which it need not know: those that can be part of no
    cycle are on no list, and some tuples CPython 3.12 keeps in lists of its own.
    """
    known = {id(one) for one in gc.get_objects()}
    return all(id(one) in known or (type(one) in (tuple, dict) and sys.getrefcount(one) > 0) for one in found)


def test_every_object_of_the_collector_is_found_and_no_place_beside_one() -> None:
    chance = random.Random(3)
    objects: list[Any] = chance.sample(gc.get_objects(), 2000)
    assert all(_native.alive(id(one)) is one for one in objects)
    assert are_objects(found_at([id(chance.choice(objects)) + 8 * chance.randrange(-64, 64) for _ in range(20_000)]))


def test_what_is_gone_is_not_found() -> None:
    gone = []
    for _ in range(2000):
        passing: Any = [[], {}, lambda: None, type("Passing", (), {})]
        gone += [id(one) for one in passing]
    del passing
    gc.collect()
    assert are_objects(found_at(gone))


def test_a_dict_or_tuple_that_can_be_part_of_no_cycle_is_found_while_it_lives() -> None:
    untracked: list[Any] = [{"rate": 0.1}, (1, len(__name__))]
    gc.collect()
    assert not any(map(gc.is_tracked, untracked))
    assert all(_native.alive(id(one)) is one for one in untracked)
    places = [id(one) for one in untracked]
    untracked.clear()
    assert _native.alive(places[0]) is _native.NULL


@pytest.mark.parametrize("address", [8, 16, 4096, 2**47 - 32, 2**64 - 8])
def test_where_nothing_is_mapped_nothing_is_found(address: int) -> None:
    assert _native.alive(address) is _native.NULL


def test_links_that_do_not_lead_back_are_no_object() -> None:
    """A place that an object had, with old bytes in it: its neighbours know nothing of it."""
    member: Any = [1]
    head = ctypes.string_at(id(member) - 16, 32)
    forged = ctypes.create_string_buffer(head, 64)
    assert _native.alive(ctypes.addressof(forged) + 16) is _native.NULL
    assert _native.alive(id(member)) is member


def test_a_list_of_another_kind_is_no_object() -> None:
    """Nodes linked both ways, as C++ has them: what lies behind the links is no type."""
    nodes = ctypes.create_string_buffer(3 * 64)
    places = [ctypes.addressof(nodes) + 64 * at for at in range(3)]
    for at, place in enumerate(places):
        links = struct.pack("PPnP", places[(at + 1) % 3], places[at - 1], 1, id(object))
        ctypes.memmove(place, links, len(links))
    assert _native.alive(places[0] + 16) is _native.NULL  # object's instances have no links


SANDBOX = """
import ctypes, gc, struct
from forkpoint import _native
kept, number = [1], 310  # process_vm_readv on x86_64
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x00050001), (6, 0, 0, 0x7FFF0000)]  # EPERM, or allowed
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
program = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
print(_native.alive(id(kept)) is kept, _native.alive(id(kept) + 16) is _native.NULL)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of the system call is that of x86_64")
def test_in_a_sandbox_that_lets_no_memory_be_read_the_lists_are_walked() -> None:
    ended = subprocess.run([sys.executable, "-c", SANDBOX], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("True True\n", "")
