"""LightGBM: boosters are written as text by OpenMP, whose threads a forked child does not have and would wait for."""

from __future__ import annotations

import ctypes  # noqa: TID251 - to call a function of the library, not to touch memory
from contextlib import suppress
from typing import Any

from lightgbm import basic

from forkpoint.capture.adapters._quiet import Quiet


class _Boosters(Quiet):
    name = "lightgbm_boosters"
    module = "lightgbm.basic"

    def capture(self, before: Any) -> None:
        # In the child only: one thread needs no pool. Versions without the call hang, which is told.
        with suppress(AttributeError):
            basic._LIB.LGBM_SetMaxThreads(ctypes.c_int(1))


ADAPTER = _Boosters()
