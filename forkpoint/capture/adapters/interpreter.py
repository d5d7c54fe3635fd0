"""Settings of the interpreter itself: `sys.argv`, `sys.path`, limits, hooks, replaced standard streams."""

from __future__ import annotations

import faulthandler
import sys
import threading
import tracemalloc
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet

_LISTS: Final = ("argv", "path", "warnoptions")
_VALUES: Final = ("dont_write_bytecode", "pycache_prefix", "tracebacklimit", "ps1", "ps2")
_HOOKS: Final = ("excepthook", "displayhook", "unraisablehook", "breakpointhook")
_STREAMS: Final = ("stdin", "stdout", "stderr")
_ABSENT: Final = "absent"


def _ours(hook: Any) -> bool:
    return str(getattr(hook, "__module__", "")).partition(".")[0] == "forkpoint"


def _own_finders(name: str) -> list[tuple[int, Any]]:
    """What the program put into `sys.meta_path` or `sys.path_hooks`, and where."""
    program = {module.__name__ for module in roots.find().by_value} | {"__main__"}
    return [(place, each) for place, each in enumerate(getattr(sys, name)) if _native.is_programs(each, program)]


class _Interpreter(Quiet):
    name = "interpreter"
    module = "sys"

    def before_fork(self) -> dict[str, Any]:
        # The recursion limit is lifted in the child, and thread-wide hooks may be, before anything is read there.
        return {
            "recursion_limit": sys.getrecursionlimit(),
            "int_max_str_digits": sys.get_int_max_str_digits(),
            "switch_interval": sys.getswitchinterval(),
            "coroutine_origin_tracking": sys.get_coroutine_origin_tracking_depth(),
            "dlopen_flags": sys.getdlopenflags(),
            "streams": {name: getattr(sys, name) for name in _STREAMS if self._replaced(name)},
            "hooks": {name: getattr(sys, name) for name in _HOOKS if not _ours(getattr(sys, name))},
            "thread_hook": threading.excepthook,
            "faulthandler": faulthandler.is_enabled(),
            "tracemalloc": tracemalloc.get_traceback_limit() if tracemalloc.is_tracing() else 0,
        }

    def capture(self, before: dict[str, Any]) -> dict[str, Any]:
        hooks = before["hooks"]
        return before | {
            "finders": {name: _own_finders(name) for name in ("meta_path", "path_hooks")},
            "lists": {name: list(getattr(sys, name)) for name in _LISTS},
            "values": {name: getattr(sys, name, _ABSENT) for name in _VALUES},
            "hooks": {name: hook for name, hook in hooks.items() if hook is not getattr(sys, f"__{name}__")},
            "thread_hook": None if before["thread_hook"] is threading.__excepthook__ else before["thread_hook"],
        }

    def restore(self, state: dict[str, Any]) -> None:
        for name, found in state.get("finders", {}).items():
            for place, finder in found:
                getattr(sys, name).insert(place, finder)
        for name, items in state["lists"].items():
            getattr(sys, name)[:] = items
        for name, value in state["values"].items():
            if value != _ABSENT:
                setattr(sys, name, value)
            elif hasattr(sys, name):
                delattr(sys, name)
        sys.setrecursionlimit(state["recursion_limit"])
        sys.set_int_max_str_digits(state["int_max_str_digits"])
        sys.setswitchinterval(state["switch_interval"])
        sys.set_coroutine_origin_tracking_depth(state["coroutine_origin_tracking"])
        sys.setdlopenflags(state["dlopen_flags"])
        for name, value in (state["hooks"] | state["streams"]).items():
            setattr(sys, name, value)
        if state["thread_hook"] is not None:
            threading.excepthook = state["thread_hook"]
        if state["faulthandler"]:
            faulthandler.enable()
        if state.get("tracemalloc") and not tracemalloc.is_tracing():
            tracemalloc.start(state["tracemalloc"])

    @staticmethod
    def _replaced(name: str) -> bool:
        """The process's own stream stays the new process's own; only what the program put in its place is kept."""
        return getattr(sys, name) is not getattr(sys, f"__{name}__")


ADAPTER = _Interpreter()
