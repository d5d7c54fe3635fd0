"""mpmath's working precision, also inside of `with mpmath.workdps(50)`."""

from __future__ import annotations

from typing import Any, Final

import mpmath

from forkpoint.capture.adapters._quiet import Quiet

_CONTEXTS: Final = ("mp", "iv")


class _Precision(Quiet):
    name = "mpmath_precision"
    module = "mpmath"

    def capture(self, before: None) -> dict[str, tuple[int, int]]:
        return {name: (getattr(mpmath, name).prec, getattr(mpmath, name).dps) for name in _CONTEXTS}

    def restore(self, state: dict[str, tuple[int, int]]) -> None:
        for name, (bits, digits) in state.items():
            context: Any = getattr(mpmath, name)
            context.dps = digits
            if context.prec != bits:  # it was the bits that were chosen
                context.prec = bits


ADAPTER = _Precision()
