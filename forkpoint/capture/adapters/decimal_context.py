"""The main thread's decimal context (precision, rounding, traps, flags), and what decimal.localcontext() returns."""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from typing import Any

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def make_manager() -> Any:
    """What decimal.localcontext() returns, its contexts not yet set."""
    return decimal.localcontext()


def fill_manager(manager: Any, contexts: tuple[Any, Any]) -> None:
    """The context inside the block, and the one to go back to."""
    _native.decimal_manager_fill(manager, *contexts)


def _reduce_manager(obj: Any, context: ReduceContext) -> Any:
    return make_manager, (), _native.decimal_manager_read(obj), None, None, fill_manager


class _DecimalContext(Quiet):
    name = "decimal_context"
    module = "decimal"

    def reducers(self) -> Mapping[type, Reducer]:
        return {type(decimal.localcontext()): _reduce_manager}

    def before_fork(self) -> decimal.Context:
        # A context variable: another thread of the child would see another one. The object itself is kept, so that
        # a program holding it still changes the active context through it.
        return decimal.getcontext()

    def restore(self, state: decimal.Context) -> None:
        decimal.setcontext(state)


ADAPTER = _DecimalContext()
