"""Flags that a program has defined with absl are there after a restore, with what was parsed."""

from __future__ import annotations

import pytest
from in_memory import dumps, loads

flags = pytest.importorskip("absl.flags")

from forkpoint.capture.adapters.absl_flags import ADAPTER


def test_what_was_defined_and_parsed_is_there_again() -> None:
    table = flags.FLAGS
    flags.DEFINE_float("own_rate", 0.1, "of learning")
    flags.DEFINE_list("own_sizes", ["4", "8"], "of layers")
    table(["program", "--own_rate=0.5"])
    saved = dumps(ADAPTER.capture(None))
    for name in ("own_rate", "own_sizes"):
        delattr(table, name)
    inner = vars(table)["__flags"]
    try:
        ADAPTER.restore(loads(saved))
        assert table.own_rate == 0.5 and table.own_sizes == ["4", "8"] and table["own_rate"].present
        assert vars(table)["__flags"] is inner and table.is_parsed()
        assert "own_rate" in {flag.name for flag in table.flags_by_module_dict()[__name__]}
    finally:
        for name in ("own_rate", "own_sizes"):
            delattr(table, name)
