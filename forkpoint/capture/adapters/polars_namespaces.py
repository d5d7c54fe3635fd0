"""The program's namespaces on polars' classes (`register_expr_namespace`): polars lists them by name."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from forkpoint import _native
from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet

_REGISTER: Final[dict[str, Any]] = {
    "DataFrame": pl.api.register_dataframe_namespace,
    "Expr": pl.api.register_expr_namespace,
    "LazyFrame": pl.api.register_lazyframe_namespace,
    "Series": pl.api.register_series_namespace,
}


class _Namespaces(Quiet):
    name = "polars_namespaces"
    module = "polars"

    def capture(self, before: None) -> list[tuple[str, str, Any]]:
        program = {module.__name__ for module in roots.find().by_value} | {"__main__"}
        offered: list[tuple[str, Any]] = [(kind, getattr(pl, kind)) for kind in _REGISTER]
        found = [(kind, name, getattr(cls, name, None)) for kind, cls in offered for name in sorted(cls._accessors)]
        return [each for each in found if _native.is_programs(each[2], program)]

    def restore(self, state: list[tuple[str, str, Any]]) -> None:
        for kind, name, namespace in state:
            cls: Any = getattr(pl, kind)
            if getattr(cls, name, None) is namespace:  # `library_changes` has put the wrapper there
                cls._accessors.add(name)
            else:
                _REGISTER[kind](name)(namespace)


ADAPTER = _Namespaces()
