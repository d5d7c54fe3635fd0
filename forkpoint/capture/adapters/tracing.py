"""The program's own trace and profile functions, in place again when its frames are; what else looks on is told of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from forkpoint.capture.adapters._quiet import Quiet

Call = tuple[Callable[..., object], tuple[object, ...]]

_state: dict[str, Any] = {}


class _Lookers(Quiet):
    name = "tracing"
    module = "sys"

    def before_fork(self) -> dict[str, Any]:
        # The child has them switched off; the frames are there only now.
        trace, tools = sys.gettrace(), _tools()
        return {
            "trace": trace,
            "profile": sys.getprofile(),
            "frames": [] if trace is None else list(_traced()),
            "tools": dict(tools),
            "events": [MonitoringEvents(name) for _, name in tools],
        }

    def restore(self, state: dict[str, Any]) -> None:
        _state.update(state)
        for tool, name in state["tools"].items():
            if sys.version_info >= (3, 12) and sys.monitoring.get_tool(tool) is None:
                sys.monitoring.use_tool_id(tool, name)


class MonitoringEvents:
    """What a tool of `sys.monitoring` has asked for. Nothing tells that for all code there is: it is lost."""

    def __init__(self, tool: str) -> None:
        self.tool = tool

    def __reduce__(self) -> Any:
        raise TypeError(f"what sys.monitoring's tool {self.tool!r} has set up cannot be read")


def begin() -> list[Call]:
    """To be called once the program's frames stand, by C code that then makes the calls returned, with no Python in
    between that would be traced.
    """
    frames = list(_frames())
    for index, settings in _state.get("frames", ()):
        frames[index].f_trace, frames[index].f_trace_lines, frames[index].f_trace_opcodes = settings
    found = ((sys.settrace, _state.get("trace")), (sys.setprofile, _state.get("profile")))
    _state.clear()
    # One that could not be saved, such as coverage's, has been told of.
    return [(place, (looker,)) for place, looker in found if type(looker).__name__ != "Absent" and looker is not None]


def _frames() -> Iterator[FrameType]:
    """The program's, innermost first."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != "forkpoint":
            yield frame
        frame = frame.f_back


def _traced() -> Iterator[tuple[int, tuple[Any, bool, bool]]]:
    for index, frame in enumerate(_frames()):
        yield index, (frame.f_trace, frame.f_trace_lines, frame.f_trace_opcodes)


def _tools() -> list[tuple[int, str]]:
    """Those of `sys.monitoring` in use, forkpoint's own left out."""
    found: list[tuple[int, str]] = []
    if sys.version_info >= (3, 12):
        for tool in range(6):
            name = sys.monitoring.get_tool(tool)
            if name is not None and name != "forkpoint":
                found.append((tool, name))
    return found


ADAPTER = _Lookers()
