"""The working directory."""

from __future__ import annotations

import os

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.say import say


def _current() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise Refused("the working directory has been removed") from None


class _WorkingDirectory(Quiet):
    name = "working_directory"
    module = "os"

    def before_fork(self) -> None:
        """Raises errors.Refused where it has been removed: nothing could go on in it."""
        _current()

    def capture(self, before: None) -> str:
        """The same: it may be gone by now."""
        return _current()

    def restore(self, state: str) -> None:
        try:
            os.chdir(state)
        except OSError as error:
            say(
                f"the program's working directory {state!r} cannot be entered ({error.strerror}); it goes on in "
                f"{os.getcwd()!r}. Use --cwd to name another"
            )


ADAPTER = _WorkingDirectory()
