"""The umask: the mode bits that files the program creates do not get."""

from __future__ import annotations

import os

from forkpoint.capture.adapters._quiet import Quiet


class _FileMode(Quiet):
    name = "file_mode"
    module = "os"

    def capture(self, before: None) -> int | None:
        # os.umask can only be read by setting it; in the child that disturbs nobody.
        mask = os.umask(0)
        os.umask(mask)
        return mask

    def restore(self, state: int | None) -> None:
        if state is not None:
            os.umask(state)


ADAPTER = _FileMode()
