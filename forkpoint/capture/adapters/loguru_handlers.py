"""loguru's one logger: where it writes to, its levels, and what it puts in front."""

from __future__ import annotations

from typing import Any, Final

from loguru import logger

from forkpoint.capture.adapters._quiet import Quiet

_OF_THE_PROCESS: Final = frozenset({"lock", "thread_locals"})

_core: Any = logger._core


class _Handlers(Quiet):
    name = "loguru_handlers"
    module = "loguru"

    def capture(self, before: None) -> dict[str, Any]:
        return {name: value for name, value in vars(_core).items() if name not in _OF_THE_PROCESS}

    def restore(self, state: dict[str, Any]) -> None:
        vars(_core).update(state)


ADAPTER = _Handlers()
