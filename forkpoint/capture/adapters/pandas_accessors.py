"""The program's accessors on pandas' classes (`register_dataframe_accessor`): pandas lists them by name."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from forkpoint import _native
from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet

_REGISTER: Final[dict[str, Any]] = {
    "DataFrame": pd.api.extensions.register_dataframe_accessor,
    "Series": pd.api.extensions.register_series_accessor,
    "Index": pd.api.extensions.register_index_accessor,
}


class _Accessors(Quiet):
    name = "pandas_accessors"
    module = "pandas"

    def capture(self, before: None) -> list[tuple[str, str, Any]]:
        program = {module.__name__ for module in roots.find().by_value} | {"__main__"}
        offered: list[tuple[str, Any]] = [(kind, getattr(pd, kind)) for kind in _REGISTER]
        found = [(kind, name, getattr(cls, name, None)) for kind, cls in offered for name in sorted(cls._accessors)]
        return [each for each in found if _native.is_programs(each[2], program)]

    def restore(self, state: list[tuple[str, str, Any]]) -> None:
        for kind, name, accessor in state:
            cls: Any = getattr(pd, kind)
            if getattr(cls, name, None) is accessor:  # `library_changes` has put the wrapper there
                cls._accessors.add(name)
            else:
                _REGISTER[kind](name)(accessor)


ADAPTER = _Accessors()
