"""`tqdm.pandas()`: what it put on pandas' classes, with the bar it was told to show."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandas.core.groupby import DataFrameGroupBy, GroupBy, SeriesGroupBy
from pandas.core.window.expanding import Expanding
from pandas.core.window.rolling import Rolling

from forkpoint.capture.adapters._quiet import Quiet

_CLASSES = {
    cls.__name__: cls for cls in (pd.Series, pd.DataFrame, SeriesGroupBy, DataFrameGroupBy, GroupBy, Rolling, Expanding)
}


class _Progress(Quiet):
    name = "tqdm_pandas"
    module = "pandas"

    def capture(self, before: None) -> list[tuple[str, str, Any]]:
        return [
            (kind, name, function)
            for kind, cls in _CLASSES.items()
            for name, function in vars(cls).items()
            if name.startswith("progress_") and getattr(function, "__module__", "") == "tqdm.std"
        ]

    def restore(self, state: list[tuple[str, str, Any]]) -> None:
        for kind, name, function in state:
            setattr(_CLASSES[kind], name, function)


ADAPTER = _Progress()
