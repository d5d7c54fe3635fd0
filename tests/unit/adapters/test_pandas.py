"""pandas: who shares memory with whom, readers of files in chunks, kinds of columns, options."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import again, dumps, loads

from forkpoint.capture import ambient
from forkpoint.errors import Refused

pd = pytest.importorskip("pandas")


def test_copy_on_write_still_knows_who_shares() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4.0, 5.0, 6.0]})
    f, column, part, copy = again((frame, frame["a"], frame.iloc[1:], frame.copy(deep=False)))
    assert np.shares_memory(column.values, f["a"].values)
    column.iloc[0] = 100
    part.iloc[0, 1] = -5.0
    assert f.a.tolist() == [1, 2, 3] and f.b.tolist() == [4.0, 5.0, 6.0]
    f.loc[2, "a"] = 7
    assert copy.a.tolist() == [1, 2, 3]


def test_a_frame_that_shares_with_nobody_is_written_in_place() -> None:
    frame = again(pd.DataFrame({"a": np.arange(5)}))
    before = frame["a"].values.__array_interface__["data"]
    frame.iloc[0, 0] = 9
    assert frame["a"].values.__array_interface__["data"] == before


def test_an_index_made_of_a_series_is_safe_from_writes_into_it() -> None:
    series = pd.Series([1, 2, 3])
    s, index = again((series, pd.Index(series)))
    s.iloc[0] = 50
    assert index.tolist() == [1, 2, 3]


@pytest.mark.parametrize("options", [{}, {"low_memory": False}, {"skiprows": [3], "comment": "#"}, {"index_col": 0}])
def test_a_file_read_in_chunks_goes_on_behind_the_rows_that_were_read(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    rows = pd.DataFrame({"a": range(5000), "b": [f"{i}é" for i in range(5000)], "c": np.linspace(0, 1, 5000)})
    rows.to_csv(path, index=False)
    with pd.read_csv(path, chunksize=700, **options) as reader:
        before = [next(reader) for _ in range(3)]
        other = again(reader)
        expected, found = list(reader), list(other)
    assert len(found) == 5 and len(before) == 3
    for one, two in zip(expected, found, strict=True):
        pd.testing.assert_frame_equal(one, two)
    assert other.handles.handle.closed


def test_a_reader_is_not_saved_while_it_reads(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n2\n")
    said = []

    def convert(text: str) -> str:
        try:
            again(reader)
        except Refused as refused:
            said.append(refused.reason)
        return text

    with pd.read_csv(tmp_path / "rows.csv", chunksize=1, converters={"a": convert}) as reader:
        next(reader)
    assert said and "reading a chunk" in said[0]


def test_an_array_that_cython_code_lent_is_a_view_of_its_owner() -> None:
    """pandas steps through groups with arrays over typed memoryviews."""
    from pandas._libs import lib

    starts, ends = lib.generate_slices(np.array([0, 0, 1, 2]), 3)
    assert type(ends.base.obj).__name__ == "_memoryviewslice", "pandas lends in another way now"
    owner = ends.base.obj.base
    back, shown, first = again((owner, ends, starts))
    assert np.shares_memory(back, shown) and shown.tolist() == [2, 3, 4] and first.tolist() == [0, 2, 3]


def test_kinds_of_columns_indexes_options_and_attributes() -> None:
    frame = pd.DataFrame(
        {
            "text": ["x", None, "z"],
            "when": pd.date_range("2026-01-01", periods=3, tz="UTC"),
            "kind": pd.Categorical(["u", "v", "u"]),
            "maybe": pd.array([1, None, 3], dtype="Int64"),
            "objects": [[1], {2: 3}, None],
        },
        index=pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")], names=["n", "l"]),
    )
    frame.attrs["note"] = "kept"
    frame.index.names = ["n", "l"]
    object.__setattr__(frame, "mine", [1])
    indexes = [
        pd.RangeIndex(3),
        pd.date_range("2026", periods=3, freq="D"),
        pd.period_range("2026", periods=3, freq="M"),
        pd.interval_range(0, 3),
        pd.CategoricalIndex(["a", "b"]),
        pd.Index([3, 1], name="i"),
        pd.TimedeltaIndex(["1D", "2D"]),
    ]
    with pd.option_context("display.precision", 3, "display.max_rows", 7):
        data = dumps((frame, indexes, ambient.before_fork()["pandas_blocks"]))
    back, others, options = loads(data)
    pd.testing.assert_frame_equal(back, frame)
    assert back.attrs == {"note": "kept"} and back.mine == [1]
    for one, other in zip(indexes, others, strict=True):
        pd.testing.assert_index_equal(one, other, check_freq=True)
    ambient.restore({"pandas_blocks": options})
    assert pd.get_option("display.precision") == 3 and pd.get_option("display.max_rows") == 7
    pd.reset_option("display")
    grouped = again(frame.groupby("kind", observed=True)["maybe"])
    assert grouped.sum().to_dict() == {"u": 4, "v": 0}


@pytest.mark.parametrize("taken", [0, 2, 5])
def test_loops_over_columns_that_are_arrow_arrays_go_on(taken: int) -> None:
    pytest.importorskip("pyarrow")
    array = pd.Series(["a", "b", None, "c", "d"], dtype="string[pyarrow]").array._pa_array

    def loops() -> tuple[Any, ...]:
        return iter(array), array.iterchunks(), iter(array.chunk(0))

    started = loops()
    for loop in started:
        for _ in range(taken):
            next(loop, None)
    expected = [list(map(str, loop))[taken:] for loop in loops()]
    assert [list(map(str, loop)) for loop in again(started)] == expected


def test_a_commit_does_not_make_warnings_new_to_the_program() -> None:
    """Silencing what `get_option` says of some options would: a change of the filters empties what was shown."""
    registries: list[dict[Any, Any]] = [{}, {}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.warn_explicit("before", UserWarning, __file__, 1, registry=registries[0])
        ambient.before_fork()
        warnings.warn_explicit("after", UserWarning, __file__, 1, registry=registries[1])
    assert registries[0]["version"] == registries[1]["version"]


def test_a_frame_that_is_just_being_made() -> None:
    frame = again({"frame": object.__new__(pd.DataFrame)})["frame"]
    assert type(frame) is pd.DataFrame and vars(frame) == {}
    frame.__init__({"a": [1]})
    assert frame.a.tolist() == [1]
