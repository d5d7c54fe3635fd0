"""forkpoint.checkpoint(), and the same with a part taken away."""

from __future__ import annotations

import os
from typing import Any

from method import Method, Unfit


class Forkpoint(Method):
    """forkpoint.checkpoint(), with its defaults."""

    def take(self) -> None:
        import forkpoint

        self.point = forkpoint.checkpoint()

    def wait(self) -> None:
        from forkpoint import api

        before = api._engine.totals.bytes_new
        assert self.point.wait(), self.point.reason
        self.written = api._engine.totals.bytes_new - before


class LittleStaging(Forkpoint):
    """With 256 MB at most to copy hot memory to."""

    staging = "256M"

    def __init__(self, work: Any) -> None:
        super().__init__(work)
        os.environ["FORKPOINT_MAX_STAGING_BYTES"] = self.staging

    @classmethod
    def fit(cls, workload: Any) -> None:
        if not workload.large:
            raise Unfit("nothing is staged: no large arrays")


class ForkOnly(LittleStaging):
    """Without staging: all of it by copy-on-write."""

    staging = "0"
