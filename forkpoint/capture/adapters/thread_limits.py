"""How many threads BLAS and OpenMP may use while a limit of threadpoolctl is in force, and the controllers of limits.

A controller is a list of the libraries this process has loaded: it is made anew, in the old order, since a limiter that
ends goes through both side by side.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import threadpoolctl
from threadpoolctl import ThreadpoolController

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def reduce_controller(controller: Any, context: ReduceContext) -> Any:
    """By the libraries it controls."""
    return make_controller, ([os.path.basename(one.filepath) for one in controller.lib_controllers],)


def make_controller(names: Sequence[str]) -> Any:
    """A controller of these libraries, as far as they are loaded here, in this order; then of any others."""
    made = ThreadpoolController()
    place = {name: number for number, name in enumerate(names)}
    made.lib_controllers.sort(key=lambda one: place.get(os.path.basename(one.filepath), len(place)))
    return made


def _known_controller() -> Any:
    """The one that scikit-learn made when it first limited threads; None before that, when nothing is limited."""
    return getattr(sys.modules.get("sklearn.utils.parallel"), "_threadpool_controller", None)


class _Limits(Quiet):
    name = "thread_limits"
    module = "threadpoolctl"

    def reducers(self) -> Mapping[type, Reducer]:
        return {ThreadpoolController: reduce_controller}

    def before_fork(self) -> Any:
        controller = _known_controller()
        controlled = getattr(controller, "lib_controllers", ())
        threads = {os.path.basename(one.filepath): one.num_threads for one in controlled}
        owner = getattr(threadpoolctl, "CONTROLLING_THREAD_OWNERSHIP", None)
        return {"threads": threads, "depth": getattr(owner, "count", 0)}

    def restore(self, state: Any) -> None:
        owner = getattr(threadpoolctl, "CONTROLLING_THREAD_OWNERSHIP", None)
        if owner is not None:
            owner.count = state["depth"]
        for one in ThreadpoolController().lib_controllers if state["threads"] else ():
            wanted = state["threads"].get(os.path.basename(one.filepath))
            if wanted is not None and wanted != one.num_threads:
                one.set_num_threads(wanted)


ADAPTER = _Limits()
