"""numpy's error state and print options, and `np.errstate` blocks the program is inside of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_UNSET: Final = np.errstate()._call  # type: ignore[attr-defined]
_KINDS: Final = ("_all", "_call", "_divide", "_over", "_under", "_invalid")


def _settings() -> dict[str, Any]:
    return {"errors": np.geterr(), "call": np.geterrcall(), "buffer": np.getbufsize()}


def _apply(settings: Mapping[str, Any]) -> None:
    np.seterr(**settings["errors"])
    np.seterrcall(settings["call"])
    np.setbufsize(settings["buffer"])


def reduce_errstate(block: Any, context: ReduceContext) -> Any:
    """An errstate block; one that is entered also knows the settings it will put back."""
    outer = None
    if block._token is not None:
        inside = block._token.var.set(block._token.old_value)
        outer = _settings()
        block._token.var.reset(inside)
    given = {kind: getattr(block, kind) for kind in _KINDS}
    return make_errstate, ({kind: value for kind, value in given.items() if value is not _UNSET}, outer)


def make_errstate(kinds: dict[str, Any], outer: Mapping[str, Any] | None) -> Any:
    """The block again. If it was entered: entered from `outer`, which leaving it puts back."""
    block: Any = np.errstate()
    for kind, value in kinds.items():
        setattr(block, kind, value)
    if outer is not None:
        before = _settings()
        _apply(outer)
        block.__enter__()
        _apply(before)
    return block


class _Settings(Quiet):
    name = "numpy_settings"
    module = "numpy"

    def reducers(self) -> Mapping[type, Reducer]:
        return {np.errstate: reduce_errstate}

    def before_fork(self) -> dict[str, Any]:
        # Context variables: another thread of the child would see the defaults.
        return {"floating": _settings(), "printing": np.get_printoptions()}

    def restore(self, state: dict[str, Any]) -> None:
        _apply(state["floating"])
        np.set_printoptions(**state["printing"])


ADAPTER = _Settings()
