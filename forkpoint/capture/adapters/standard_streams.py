"""How the program has standard input, output and error encoded and buffered: `sys.stdout.reconfigure(...)`.

The streams themselves are the new process's own, whose encoding is that of where it was started.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any, Final

from forkpoint.capture.adapters._quiet import Quiet

_NAMES: Final = ("stdin", "stdout", "stderr")


def _read(number: int) -> dict[str, Any] | None:
    """What `reconfigure` takes; None for what is no stream of Python's over the descriptor with this number."""
    stream = getattr(sys, _NAMES[number])
    with contextlib.suppress(OSError, ValueError):  # closed, or without a descriptor
        if type(stream) is io.TextIOWrapper and stream.fileno() == number:
            return {
                "encoding": stream.encoding,
                "errors": stream.errors,
                "line_buffering": stream.line_buffering and not stream.isatty(),  # of a terminal by itself
                "write_through": stream.write_through,
            }
    return None


class _StandardStreams(Quiet):
    name = "standard_streams"
    module = "sys"

    def before_fork(self) -> list[dict[str, Any] | None]:
        return [_read(number) for number in range(len(_NAMES))]  # a child's lead elsewhere

    def restore(self, state: list[dict[str, Any] | None]) -> None:
        for number, wanted in enumerate(state):
            here = _read(number)
            if wanted is not None and here is not None:
                changes = {name: value for name, value in wanted.items() if value != here[name]}
                with contextlib.suppress(OSError, ValueError):  # an encoding cannot change once something has been read
                    getattr(sys, _NAMES[number]).reconfigure(**changes)


ADAPTER = _StandardStreams()
