"""What a verb returns: a value for a reporter to print, and the exit status that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """`value` is what `--json` prints, field for field; the text reporter of `verb` reads nothing else."""

    verb: str
    value: Mapping[str, Any]
    as_json: bool = False
    exit_status: int = 0
