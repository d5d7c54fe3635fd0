"""The main thread's decimal context: precision, rounding, traps and flags."""

from __future__ import annotations

import decimal

from forkpoint.capture.adapters._quiet import Quiet


class _DecimalContext(Quiet):
    name = "decimal_context"
    module = "decimal"

    def before_fork(self) -> decimal.Context:
        # A context variable: another thread of the child would see another one. The object itself is kept, so that
        # a program holding it still changes the active context through it.
        return decimal.getcontext()

    def restore(self, state: decimal.Context) -> None:
        decimal.setcontext(state)


ADAPTER = _DecimalContext()
