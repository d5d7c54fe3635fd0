"""The text report on a terminal, its important words coloured; only where rich is installed."""

from __future__ import annotations

import re
from typing import Final, TextIO

from forkpoint.cli.outcome import Outcome
from forkpoint.cli.reporters import text

_STYLES: Final = {
    r"\b(DAMAGED|FAIL|INCOMPLETE)\b": "bold red",
    r"\bWARN\b": "yellow",
    r"^ok\b": "green",
    r"^(run|restore point) [0-9a-f]+": "bold cyan",
    r"\[[^\]]+\]$": "magenta",
}


def write(outcome: Outcome, stream: TextIO) -> None:
    """Print the same characters as the plain report; lines are never wrapped."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in text.lines(outcome, stream.encoding or "utf-8"):
        shown = Text(line)
        for pattern, style in _STYLES.items():
            for match in re.finditer(pattern, line):
                shown.stylize(style, *match.span())
        console.print(shown)
