"""ctypes: shared memory stays shared, pointers point where they did, libraries and callbacks work."""

from __future__ import annotations

import types

import pytest
from world import World

from forkpoint.capture import ambient

pytestmark = pytest.mark.usefixtures("no_module_left")

BEFORE = """
import ctypes
class Pair(ctypes.Structure):
    _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_int))
"""


def restored(program: str) -> types.ModuleType:
    return World(BEFORE + program).again(reducers=ambient.reducers())


def test_views_go_on_sharing_the_memory_they_are_of() -> None:
    back = restored("""
pairs = (Pair * 3)()
one, raw = pairs[1], bytearray(16)
of_raw = Pair.from_buffer(raw, 8)
""")
    back.one.a, back.of_raw.a = 7, 9
    assert (back.pairs[1].a, back.raw[8]) == (7, 9)


def test_a_pointer_to_the_numbers_of_an_array() -> None:
    pytest.importorskip("numpy")
    back = restored("""
import numpy
numbers = numpy.zeros(4)
pointer = numbers[1:].ctypes.data_as(ctypes.POINTER(ctypes.c_double))
""")
    back.pointer[1] = 2.5
    assert list(back.numbers) == [0, 0, 2.5, 0]


def test_pointers_point_to_what_they_did() -> None:
    back = restored("""
pair, text = Pair(1, 2), ctypes.create_string_buffer(b"abc", 8)
pointer = ctypes.pointer(pair)
contents = pointer.contents
cast, address = ctypes.cast(text, ctypes.POINTER(ctypes.c_ubyte)), ctypes.cast(text, ctypes.c_void_p)
nothing, word = ctypes.POINTER(Pair)(), ctypes.c_char_p(b"word")
""")
    back.contents.b, back.cast[1] = 5, 66
    assert (back.pair.b, back.pointer.contents.b, back.text.value, back.word.value) == (5, 5, b"aBc", b"word")
    assert back.address.value == back.ctypes.addressof(back.text) and not back.nothing


def test_memory_of_c_code_and_structures_with_addresses_are_tombstones() -> None:
    program = """
class Linked(ctypes.Structure):
    _fields_ = (("next", ctypes.POINTER(ctypes.c_int)), ("pair", Pair))
number = ctypes.c_int(3)
linked = Linked(ctypes.pointer(number))
inner, elsewhere = linked.pair, ctypes.cast(ctypes.byref(number), ctypes.POINTER(ctypes.c_int))
"""
    world = World(BEFORE + program)
    lost = {each.path: each.reason for each in world.encode(reducers=ambient.reducers()).tombstones}
    assert lost == {
        "program_under_test.linked": "ValueError: ctypes objects containing pointers cannot be pickled",
        "program_under_test.inner": "it is a part of memory with addresses in it",
        "program_under_test.elsewhere": "it points to memory that is not Python's",
    }
    world.again(reducers=ambient.reducers())


def test_array_pointer_and_function_types_are_those_that_ctypes_keeps() -> None:
    back = restored("""
kinds = [Pair * 3, ctypes.POINTER(Pair), ctypes.CFUNCTYPE(ctypes.c_int, Pair), ctypes.c_char * 20]
""")
    pair, ctypes = back.Pair, back.ctypes
    assert back.kinds == [pair * 3, ctypes.POINTER(pair), ctypes.CFUNCTYPE(ctypes.c_int, pair), ctypes.c_char * 20]


def test_libraries_functions_and_callbacks() -> None:
    back = restored("""
library = ctypes.CDLL(None, use_errno=True)
sort = library.qsort
sort.restype = None
library.labs.argtypes, library.labs.restype = [ctypes.c_long], ctypes.c_long
number = ctypes.POINTER(ctypes.c_int)
callback = ctypes.CFUNCTYPE(ctypes.c_int, number, number)(lambda a, b: b[0] - a[0])
library._handle = 0  # what a handle of another process is
""")
    numbers = (back.ctypes.c_int * 4)(3, 1, 4, 2)
    back.sort(numbers, 4, 4, back.callback)
    assert list(numbers) == [4, 3, 2, 1] and back.sort is back.library.qsort and back.sort.restype is None
    assert back.library.labs(-5) == 5 and back.library.labs.argtypes == [back.ctypes.c_long]
    assert back.library.abs(-4) == 4, "one that was not looked up before"
    assert back.library._FuncPtr._flags_ & back.ctypes._FUNCFLAG_USE_ERRNO
