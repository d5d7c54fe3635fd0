"""How forkpoint speaks in a program's process: on stderr, each line beginning with `forkpoint: `."""

from __future__ import annotations

import contextlib
import sys


def say(message: str) -> None:
    """Print `message` on the real stderr, whatever the program has put in its place. Never raises."""
    stream = sys.__stderr__
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError):
        for line in message.splitlines():
            stream.write(f"forkpoint: {line}\n")
        stream.flush()
