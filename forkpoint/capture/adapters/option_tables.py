"""Libraries' tables of options that are set by a call: `xarray.set_options()`, `dask.config.set()`."""

from __future__ import annotations

import sys
from typing import Any, Final

from forkpoint.capture.adapters._quiet import Quiet

_TABLES: Final = (("xarray.core.options", "OPTIONS"), ("dask.config", "config"))


def _loaded() -> dict[tuple[str, str], dict[str, Any]]:
    found = {place: getattr(sys.modules.get(place[0]), place[1], None) for place in _TABLES}
    return {place: table for place, table in found.items() if isinstance(table, dict)}


class _Options(Quiet):
    name = "option_tables"
    module = "builtins"

    def capture(self, before: None) -> dict[tuple[str, str], dict[str, Any]]:
        # Copies: the tables themselves have names, and would be found as they are when they are fresh.
        return {place: dict(table) for place, table in _loaded().items()}

    def restore(self, state: dict[tuple[str, str], dict[str, Any]]) -> None:
        for place, table in _loaded().items():
            if place in state:
                table.clear()
                table.update(state[place])


ADAPTER = _Options()
