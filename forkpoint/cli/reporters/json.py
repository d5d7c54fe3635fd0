"""A verb's value as JSON on one stream: `"schema": 1` first, field names as published."""

from __future__ import annotations

import json
from typing import Final, TextIO

from forkpoint.cli.outcome import Outcome

SCHEMA: Final = 1


def write(outcome: Outcome, stream: TextIO) -> None:
    """Print the value, indented. Text that is not valid Unicode (file names) is escaped, never refused."""
    json.dump({"schema": SCHEMA, **outcome.value}, stream, indent=2, ensure_ascii=True)
    stream.write("\n")
