"""polars: its configuration, and frames and columns chunk by chunk, since writing a whole one waits for threads that a
forked child does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def reduce_frame(frame: Any, context: ReduceContext) -> Any:
    """A frame as its columns' chunks. Columns of Python objects are left to polars, which refuses them."""
    if type(frame) is not pl.DataFrame or any(kind == pl.Object for kind in frame.dtypes):
        return NotImplemented
    return make_frame, ([column.get_chunks() for column in frame.get_columns()],)


def reduce_series(series: Any, context: ReduceContext) -> Any:
    """A column of several chunks as these."""
    if type(series) is not pl.Series or series.n_chunks() < 2 or series.dtype == pl.Object:
        return NotImplemented
    return make_series, (series.get_chunks(),)


def make_frame(columns: list[list[Any]]) -> Any:
    """The frame, with the chunks it had."""
    return pl.DataFrame([make_series(chunks) for chunks in columns])


def make_series(chunks: list[Any]) -> Any:
    """The column, with the chunks it had."""
    whole = chunks[0].clone()
    for chunk in chunks[1:]:
        whole.append(chunk)
    return whole


class _Frames(Quiet):
    name = "polars_frames"
    module = "polars"

    def reducers(self) -> Mapping[type, Reducer]:
        return {pl.DataFrame: reduce_frame, pl.Series: reduce_series}

    def capture(self, before: None) -> str:
        return str(pl.Config.save())

    def restore(self, state: str) -> None:
        pl.Config.load(state)


ADAPTER = _Frames()
