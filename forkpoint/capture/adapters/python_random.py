"""The `random` module's own generator, put back in place: bound methods of it stay bound to it."""

from __future__ import annotations

import random
from typing import Any

from forkpoint.capture.adapters._quiet import Quiet


class _PythonRandom(Quiet):
    name = "python_random"
    module = "random"

    def capture(self, before: None) -> Any:
        return random.getstate()  # not re-seeded: at-fork hooks do not run in the child (native/forkside.c)

    def restore(self, state: Any) -> None:
        random.setstate(state)


ADAPTER = _PythonRandom()
