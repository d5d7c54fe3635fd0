"""The adapter that has nothing to say: what a real one inherits and overrides in part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forkpoint.model import Reducer


class Quiet:
    """No reducers, nothing that a fork would change, no ambient state."""

    name: str
    module: str

    def reducers(self) -> Mapping[type, Reducer]:
        return {}

    def before_fork(self) -> Any:
        return None

    def capture(self, before: Any) -> Any:
        return before

    def restore(self, state: Any) -> None:
        return None
