"""The `random` module's own generator, put back in place: bound methods of it stay bound to it."""

from __future__ import annotations

import random
from typing import Any

from forkpoint.capture.adapters._quiet import Quiet


class _PythonRandom(Quiet):
    name = "python_random"
    module = "random"

    def before_fork(self) -> Any:
        return random.getstate()  # re-seeds itself after a fork (Lib/random.py, register_at_fork)

    def restore(self, state: Any) -> None:
        random.setstate(state)


ADAPTER = _PythonRandom()
