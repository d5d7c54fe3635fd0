"""Arrays come back with their memory: shared, aligned, strided, flagged as before."""

from __future__ import annotations

import array
import mmap
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import Lost, again, buffers_of

from forkpoint.capture.adapters.numpy_arrays import address
from forkpoint.encode import making

RNG = np.random.default_rng(5)

OWNERS = {
    "c order": RNG.random((30, 7)),
    "fortran order": np.asfortranarray(RNG.random((30, 7))),
    "permuted axes": RNG.random((3, 4, 5)).transpose(1, 2, 0).copy(order="K"),
    "zero dimensions": np.array(3.5),
    "no elements": np.empty((0, 4)),
    "one million": RNG.random(1_000_000),
    "booleans": RNG.random(77) > 0.5,
    "complex": RNG.random(9) * 1j,
    "big-endian": np.arange(9, dtype=">i4"),
    "half": np.arange(9, dtype="f2"),
    "long double": np.arange(9, dtype="g") / 3,
    "bytes": np.array([b"a", b"bcd"]),
    "text": np.array(["a", "bcd"]),
    "dates": np.array(["2026-01-01", "NaT"], dtype="datetime64[ns]"),
    "durations": np.arange(3, dtype="m8[h]"),
    "structured": np.zeros(3, dtype=[("a", "i1"), ("b", "f8")]),
    "aligned structured": np.ones(3, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "variable text": np.array(["a", "bcd" * 99], dtype=np.dtypes.StringDType()),
    "objects": np.array([1, "two", None], dtype=object),
    "objects in fortran order": np.asfortranarray(np.array([[1, "two"], [None, 3.5]], dtype=object)),
    "objects in fields": np.array([(1, [2]), (3, [4])], dtype=[("a", "i4"), ("b", "O")]),
}


@pytest.mark.parametrize("a", OWNERS.values(), ids=OWNERS.keys())
def test_an_owner_comes_back_exactly(a: Any) -> None:
    b = again(a)
    assert b.dtype == a.dtype and b.shape == a.shape
    assert b.tolist() == a.tolist() or np.isnat(a).any()
    if not a.dtype.hasobject:
        assert b.tobytes("A") == a.tobytes("A")
        assert address(b) % 64 == address(a) % 64 or a.size == 0
    assert b.strides == a.strides
    assert b.flags.owndata and b.flags.writeable and b.base is None


def test_every_alignment_malloc_gives_comes_back() -> None:
    kept, seen = [], set()
    for n in (1, 10, 100, 1000, 5000, 20_000, 100_000):
        for pad in range(8):
            kept.append(np.empty(1100 + 16 * pad, np.uint8))
            a = np.full(n, 1.5)
            kept.append(a)
            b = again(a)
            assert address(b) % 64 == address(a) % 64
            assert b.flags.owndata
            seen.add(address(a) % 64)
    assert len(seen) > 2


def test_views_share_memory_with_their_owner_and_nothing_is_stored_twice() -> None:
    owner = np.arange(100_000.0)
    state = {
        "owner": owner,
        "tail": owner[50_000:],
        "backwards": owner[::-3],
        "matrix": owner.reshape(100, 1000).T[5:, 7],
        "integers": owner.view(np.int64)[3:],
        "view of view": owner[10:][10:],
    }
    assert buffers_of(state) == [owner.nbytes]
    back = again(state)
    for name, view in state.items():
        assert back[name].strides == view.strides, name
        assert (back[name] == view).all(), name
        assert name == "owner" or (back[name].base is back["owner"] and not back[name].flags.owndata), name
    back["owner"][:] = 0
    assert not back["tail"].any() and not back["backwards"].any() and not back["matrix"].any()


def test_views_met_before_their_owner_share_its_memory_all_the_same() -> None:
    owner = np.arange(20)
    tail, back_owner = again((owner[5:], owner))
    tail[0] = -1
    assert back_owner[5] == -1


def test_windows_and_broadcasts_keep_sharing() -> None:
    owner = np.arange(10.0)
    windows, wide, base = again(
        (np.lib.stride_tricks.sliding_window_view(owner, 4), np.broadcast_to(owner, (3, 10)), owner)
    )
    assert windows.shape == (7, 4) and not wide.flags.writeable and wide.strides[0] == 0
    base[3] = 77
    assert (windows[3, 0], windows[0, 3], wide[2, 3]) == (77, 77, 77)


@pytest.mark.parametrize(
    ("owner_writeable", "view_writeable"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_write_protection_of_owner_and_view_come_back_each_on_its_own(
    owner_writeable: bool, view_writeable: bool
) -> None:
    owner = np.arange(9)
    view = owner[2:]
    view.flags.writeable, owner.flags.writeable = view_writeable, owner_writeable
    b, v = again((owner, view))
    assert (b.flags.writeable, v.flags.writeable) == (owner_writeable, view_writeable)
    assert v.base is b


def test_a_view_of_one_of_numpys_own_classes_has_its_owner_for_its_base(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "m.dat", dtype="f8", mode="w+", shape=(4, 4))
    records = np.zeros(3, [("a", "i4"), ("b", "f8")]).view(np.recarray)
    for owner in (records, mapped):
        back, view = again((owner, owner[1:]))
        assert view.base is back and np.array_equal(view, owner[1:])


def test_an_array_that_holds_itself_and_views_of_itself() -> None:
    a = np.empty(3, dtype=object)
    a[:] = [a, a[1:], {"inner": a}]
    b = again(a)
    assert b[0] is b and b[1].base is not None and b[2]["inner"] is b
    b[2] = "changed"
    assert b[1][1] == "changed"


def test_sequences_of_equal_length_in_an_object_array_stay_elements() -> None:
    a = np.empty(2, dtype=object)
    a[0], a[1] = [1, 2], [3, 4]
    b = again(a)
    assert b.shape == (2,) and b.tolist() == [[1, 2], [3, 4]]


def test_object_views_with_any_stride_share() -> None:
    a = np.array([[1, 2, 3], [4, 5, 6]], dtype=object)
    b, column, backwards = again((a, a[:, 1], a[::-1, ::-2]))
    assert column.tolist() == [2, 5] and backwards.tolist() == [[6, 4], [3, 1]]
    b[1, 1] = "x"
    assert column[1] == "x"


def test_a_field_of_a_structured_array_is_a_window_on_it() -> None:
    table = np.array([(1, [2], 0.5), (3, [4], 1.5)], dtype=[("a", "i4"), ("b", "O"), ("c", "f8")])
    back, field, lists = again((table, table["c"], table["b"]))
    back["c"][1] = 9
    back["b"][0].append("seen")
    assert field[1] == 9 and lists[0] == [2, "seen"]
    plain = np.zeros(4, dtype=[("a", "i4"), ("c", "f8")])
    back, row = again((plain, plain[2]))
    row["c"] = 4.5
    assert back["c"][2] == 4.5


def test_rows_and_parts_of_a_structured_array_with_objects_are_windows_on_it() -> None:
    kind = np.dtype([("id", "i4"), ("at", "f8", (2, 2)), ("tag", "O")])
    table = np.array([(n, [[n, 1], [2, 3]], [n]) for n in range(6)], kind).reshape(2, 3)
    parts = [table["at"], table["at"][:, ::2, 1], table[["id", "tag"]], table[1, 2], table[::-1, ::2][0, 1]]
    back, at, corners, some, row, last = again([table, *parts])
    assert isinstance(again([table, table[["id", "tag"]][::-1, ::2]])[1], Lost), "told when the point is taken"
    assert (
        back.dtype == kind
        and back["at"].tolist() == table["at"].tolist()
        and back["tag"].tolist()[1] == [[3], [4], [5]]
    )
    row["id"], row["tag"] = 70, "seen"
    last["at"][0, 0] = 9.5
    at[0, 0] = 5
    back["at"][1, 0, 1, 1] = 8
    assert back["id"][1, 2] == 70 == some["id"][1, 2] and back["tag"][1, 2] == "seen"
    assert back["at"][1, 2, 0, 0] == 9.5 and back["at"][0, 0].tolist() == [[5, 5], [5, 5]] and corners[1, 0, 1] == 8
    some["id"][0] = -1
    assert back["id"][0].tolist() == [-1, -1, -1]


def test_memory_of_other_owners_stays_theirs(tmp_path: Path) -> None:
    data = bytearray(range(64))
    numbers = array.array("d", [1.0, 2.0, 3.0])
    state = [data, np.frombuffer(data, "<u2")[3:], numbers, np.frombuffer(numbers), np.frombuffer(b"frozen!!", "u1")]
    back = again([state[0], state[1], state[3], state[4]])
    back[0][6] = 255
    assert back[1][0] == 255 | (7 << 8)
    assert back[2].tolist() == [1.0, 2.0, 3.0] and back[2].flags.writeable
    assert not back[3].flags.writeable


def test_memory_nobody_can_name_is_copied() -> None:
    class Holder:
        def __init__(self, a: Any) -> None:
            self.a, self.__array_interface__ = a, a.__array_interface__

    a = np.asarray(Holder(np.arange(5)))
    same_memory = np.asarray(a.base)
    b, other = again((a, same_memory))
    assert b.tolist() == [0, 1, 2, 3, 4] and b.flags.owndata
    b[0] = 9
    assert other[0] == 9


def test_a_mapped_file_is_mapped_again_with_the_content_it_had(tmp_path: Path) -> None:
    a = np.memmap(tmp_path / "m", "f8", "w+", shape=(1000,))
    a[:] = 7
    part = a[10:20]
    from in_memory import dumps, loads

    data = dumps((a, part))
    a[:] = 8
    a.flush()
    b, piece = loads(data)
    assert type(b) is np.memmap and b.mode == "w+" and isinstance(b._mmap, mmap.mmap)
    assert (b == 7).all() and piece._mmap is b._mmap
    b[10] = 3
    assert piece[0] == 3 and np.fromfile(tmp_path / "m")[10] == 3


class Slotted(np.ndarray):
    """Without a `__dict__`."""

    __slots__ = ("slot",)


class Tagged(Slotted):
    """A subclass of the program's own."""

    def __array_finalize__(self, other: Any) -> None:
        if other is not None:
            self.tag = getattr(other, "tag", None)


def test_subclasses_keep_class_attributes_and_memory() -> None:
    base = np.arange(12.0)
    tagged = base.view(Tagged)
    tagged.tag, tagged.slot = ["tag"], 4  # type: ignore[attr-defined]
    owning = np.ndarray.__new__(Tagged, (3, 2), order="F")
    owning[:] = 6
    b, t, o = again((base, tagged, owning))
    assert type(t) is Tagged and t.tag == ["tag"] and t.slot == 4 and t.base is b
    assert type(o) is Tagged and o.flags.owndata and o.flags.f_contiguous and (o == 6).all()


def test_masked_arrays_share_data_and_mask() -> None:
    data = np.arange(5.0)
    masked = np.ma.masked_array(data, mask=[0, 1, 0, 0, 1], fill_value=-3)
    d, m, mask, unmasked = again((data, masked, masked._mask, np.ma.masked_array([1, 2])))
    d[0], mask[2] = 50, True
    assert m.data[0] == 50 and m.mask.tolist() == [False, True, True, False, True] and m.fill_value == -3
    assert unmasked._mask is np.ma.nomask
    assert m.sum() == 53


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_matrix_and_record_arrays() -> None:
    records = np.rec.array([(1, 2.0), (3, 4.0)], dtype=[("a", "i4"), ("b", "f8")])
    m, r = again((np.matrix([[1, 2], [3, 4]]), records))
    assert (m * m).tolist() == [[7, 10], [15, 22]]
    r.a[0] = 9
    assert r["a"].tolist() == [9, 3] and r[1].b == 4.0


def test_scalars_dtypes_ufuncs_and_polynomials_by_their_own_protocol() -> None:
    scalar, dtype, add, poly = again((np.float32(1.1), np.dtype("f4"), np.add, np.polynomial.Polynomial([1, 2])))
    assert scalar == np.float32(1.1) and dtype is np.dtype("f4") and add is np.add and poly(2) == 5


def test_a_flat_iterator_goes_on_where_it_was() -> None:
    a = np.arange(6).reshape(2, 3)
    it = a.flat
    next(it), next(it)
    b, rest = again((a, it))
    b[0, 2] = 100
    assert list(rest) == [100, 3, 4, 5]


def test_nditer_is_a_tombstone_with_a_reason() -> None:
    assert isinstance(again(np.nditer(np.arange(3))), Lost)


def test_generators_on_one_bit_generator_keep_sharing_it() -> None:
    bits = np.random.PCG64(3)
    one, two, legacy = np.random.Generator(bits), np.random.Generator(bits), np.random.RandomState(7)
    one.random(3), legacy.randn(3)
    o, t, legacy_back, spawner = again((one, two, legacy, np.random.SeedSequence(4)))
    assert o.bit_generator is t.bit_generator
    assert [o.random(), t.random(), o.random()] == [one.random(), two.random(), one.random()]
    assert legacy_back.randn(5).tolist() == legacy.randn(5).tolist()
    assert (
        spawner.spawn(2)[1].generate_state(2).tolist()
        == np.random.SeedSequence(4).spawn(2)[1].generate_state(2).tolist()
    )


def test_a_generator_on_the_global_bit_generator_stays_on_it() -> None:
    generator = np.random.Generator(np.random.get_bit_generator())
    assert again(generator).bit_generator is np.random.get_bit_generator()


def test_an_unpickled_array_is_writeable_over_the_bytes_it_came_in() -> None:
    a = pickle.loads(pickle.dumps(np.arange(1000.0), protocol=4))
    assert isinstance(a.base, bytes) and a.flags.writeable
    a[3] = 7.0
    b, view = again((a, a[2:]))
    view[0] = 9.0
    assert b[2:4].tolist() == [9.0, 7.0] and b.flags.writeable and len(b) == 1000


def test_what_no_constructor_of_python_s_makes_is_told_of() -> None:
    """A ufunc of the program's own says that it is a name of a module, which has none of that name."""
    assert not making.is_made_by_object(np.ufunc)
    assert making.is_made_by_object(type("Own", (), {})) and not making.is_made_by_object(type("Own", (int,), {}))


def test_a_ufunc_of_a_python_function_is_made_of_it_again() -> None:
    power = 3
    made = np.frompyfunc(lambda value, other: value**power + other, 2, 1, identity=0)
    back, plain = again((made, np.add))
    assert back.identity == 0 and back.reduce([2, 1, 1]) == made.reduce([2, 1, 1]) and plain is np.add


def test_a_vectorized_function_makes_its_ufunc_anew() -> None:
    function = np.vectorize(lambda value, power: value**power, otypes=[float], excluded={"power"})
    function.label = "own"
    assert function([1, 2], power=2).tolist() == [1.0, 4.0]
    back = again(function)
    assert back([3], power=2).tolist() == [9.0] and back.label == "own" and back.otypes == function.otypes
