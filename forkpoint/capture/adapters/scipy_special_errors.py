"""What scipy's special functions do about errors: `scipy.special.seterr()`, which only C code knows."""

from __future__ import annotations

from typing import Any

from scipy import special

from forkpoint.capture.adapters._quiet import Quiet


class _Settings(Quiet):
    name = "scipy_special_errors"
    module = "scipy.special"

    def capture(self, before: None) -> dict[str, Any]:
        return dict(special.geterr())

    def restore(self, state: dict[str, Any]) -> None:
        special.seterr(**state)


ADAPTER = _Settings()
