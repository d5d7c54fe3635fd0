"""Standard input that is a file (`prog < data.txt`): read on from where it was, whatever the new process is given.

Of a pipe or a terminal, what was read is gone, and what is left belongs to whoever writes: there the new process's own
takes its place.
"""

from __future__ import annotations

import io
import sys
from typing import Any

from forkpoint.capture import descriptors
from forkpoint.capture.adapters._quiet import Quiet


class _StandardInput(Quiet):
    name = "standard_input"
    module = "sys"

    def before_fork(self) -> tuple[Any, bool] | None:
        """The stream, and whether `sys.stdin` still is that."""
        stream = sys.__stdin__
        if type(stream) is not io.TextIOWrapper or not descriptors.is_input_file(stream):
            return None
        return stream, sys.stdin is stream

    def restore(self, state: tuple[Any, bool] | None) -> None:
        if state is not None:
            stream, current = state
            sys.__stdin__ = stream  # type: ignore[misc]
            if current:
                sys.stdin = stream


ADAPTER = _StandardInput()
