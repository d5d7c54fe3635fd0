"""An XGBoost QuantileDMatrix made again in the very bins it had, though XGBoost only shows where they end.

XGBoost gives back each value as the lower end of its bin. Sorting those anew would give other outermost ends, which
come from values that are gone; so a small reference is made first, of values from which XGBoost draws exactly these
ends (AddCutPoint and MakeCuts in src/common/quantile.cc). That it does is checked when saving.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import scipy.sparse
import xgboost as xgb

_FLOATS: Final = ("weight", "base_margin", "label_lower_bound", "label_upper_bound", "feature_weights")
_MARGIN: Final = float(np.float32(1e-5))
_NEIGHBOURS: Final = 8

Parts = tuple[Any, Any, int | None, dict[str, Any], Any]
"""The reference's values, the data as (values, columns, rows' starts, shape), max_bin, labels and the like, groups."""


def _around(guess: Any) -> Iterator[Any]:
    """The number nearest to `guess`, and its neighbours."""
    up = down = np.float32(guess)
    yield up
    for _ in range(_NEIGHBOURS):
        up, down = np.nextafter(up, np.float32(np.inf)), np.nextafter(down, np.float32(-np.inf))
        yield up
        yield down


def _lowest(value: Any) -> Any:
    return np.float32(float(value) - abs(float(value)) - _MARGIN)


def _highest(value: Any) -> Any:
    return np.float32(float(value) + (abs(float(value)) + _MARGIN))


def _values(ends: Any) -> list[Any] | None:
    """Values of one column that XGBoost puts into bins with these ends; None if none were found."""
    low, *inner, high = ends
    beyond, beneath = (high - _MARGIN) / 2, (low + _MARGIN) / 2
    if not inner:
        guesses = [*_around(beyond), *_around(beneath)]
        return next(([value] for value in guesses if _highest(value) == high and _lowest(value) == low), None)
    guesses = [*_around(beneath), np.float32(0)]
    first = next((value for value in guesses if value < inner[0] and _lowest(value) == low), None)
    if first is None:
        return None
    if _highest(inner[-1]) == high:
        return [first, *inner]
    guesses = [*_around(beyond), inner[-1] / np.float32(2)]
    last = next((value for value in guesses if value > inner[-1] and _highest(value) == high), None)
    return None if last is None else [first, *inner, last]


def take_apart(data: Any) -> Parts | None:
    """What `put_together` needs; None where the bins could not be made again."""
    if any(kind == "c" for kind in data.feature_types or ()):
        return None
    starts, ends = data.get_quantile_cut()
    columns = [_values(ends[start:end]) for start, end in itertools.pairwise(starts)]
    if any(column is None for column in columns):
        return None
    reference = np.full((max(len(column or ()) for column in columns), len(columns)), np.nan, np.float32)
    for number, column in enumerate(columns):
        reference[: len(column or ()), number] = column
    held = data.get_data()
    content = (held.data, held.indices, held.indptr, held.shape)
    named = {name: value for name in _FLOATS if len(value := data.get_float_info(name))}
    named |= {"label": data.get_label()} if len(data.get_label()) else {}
    named |= {"feature_names": data.feature_names, "feature_types": data.feature_types}
    groups = data.get_uint_info("group_ptr")
    parts = (reference, content, data.max_bin, named, np.diff(groups) if len(groups) else None)
    return parts if _is_same(put_together(parts), data, held) else None


def _is_same(made: Any, data: Any, held: Any) -> bool:
    back = made.get_data()
    pairs = [*zip(made.get_quantile_cut(), data.get_quantile_cut(), strict=True)]
    pairs += [(getattr(back, name), getattr(held, name)) for name in ("data", "indices", "indptr")]
    return all(np.array_equal(left, right) for left, right in pairs)


def put_together(parts: Parts) -> Any:
    """The data in its bins again, without attributes."""
    values, (numbers, columns, rows, shape), bins, named, groups = parts
    reference = xgb.QuantileDMatrix(values, max_bin=bins, nthread=1)
    held = scipy.sparse.csr_matrix((numbers, columns, rows), shape)
    made = xgb.QuantileDMatrix(held, ref=reference, max_bin=bins, nthread=1)
    made.set_info(**named)
    if groups is not None:
        made.set_group(groups)
    made.__dict__ = {"handle": made.handle}
    return made
