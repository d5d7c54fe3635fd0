"""The working directory."""

from __future__ import annotations

import os

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.say import say


class _WorkingDirectory(Quiet):
    name = "working_directory"
    module = "os"

    def capture(self, before: None) -> str | None:
        try:
            return os.getcwd()
        except FileNotFoundError:
            return None

    def restore(self, state: str | None) -> None:
        if state is None:
            return
        try:
            os.chdir(state)
        except OSError as error:
            say(
                f"the program's working directory {state!r} cannot be entered ({error.strerror}); it goes on in "
                f"{os.getcwd()!r}. Use --cwd to name another"
            )


ADAPTER = _WorkingDirectory()
