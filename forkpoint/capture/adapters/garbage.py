"""Settings of the cyclic garbage collector, as the program left them (the child switches it off)."""

from __future__ import annotations

import gc
from typing import Any

from forkpoint.capture.adapters._quiet import Quiet


class _Garbage(Quiet):
    name = "garbage"
    module = "gc"

    def before_fork(self) -> dict[str, Any]:
        return {"enabled": gc.isenabled(), "threshold": gc.get_threshold(), "debug": gc.get_debug()}

    def restore(self, state: dict[str, Any]) -> None:
        gc.set_threshold(*state["threshold"])
        gc.set_debug(state["debug"])
        (gc.enable if state["enabled"] else gc.disable)()


ADAPTER = _Garbage()
