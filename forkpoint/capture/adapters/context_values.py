"""What context variables are set to in the main thread, also those that only a library's code knows.

An entry for each variable that is set: a library's variable is named, and a fresh import has it unset.
"""

from __future__ import annotations

import contextvars
from typing import Any, Final

from forkpoint.capture.adapters._quiet import Quiet

_ELSEWHERE: Final = frozenset({"decimal_context", "numpy.ufunc.extobj"})
"""Variables of C code, whose values have adapters of their own (`decimal_context`, `numpy_settings`)."""


class _Values(Quiet):
    name = "context_values"
    module = "contextvars"

    def before_fork(self) -> list[tuple[contextvars.ContextVar[Any], Any]]:
        # Read in the program's thread: another one of the child would see another context.
        return [entry for entry in contextvars.copy_context().items() if entry[0].name not in _ELSEWHERE]

    def restore(self, state: list[tuple[contextvars.ContextVar[Any], Any]]) -> None:
        for variable, value in state:
            variable.set(value)


ADAPTER = _Values()
