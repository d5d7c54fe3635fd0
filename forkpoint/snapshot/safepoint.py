"""Stopping one frame at the start of its next line, at no cost until asked and none afterwards.

3.12 and later: `sys.monitoring` LINE and JUMP events on that frame's code object (a loop written on one line gives
one LINE event but a JUMP each time round). 3.11: a C trace function, which slows all code, so it goes away by itself
after `limits.ARMED_MILLISECONDS`; a debugger's or coverage's trace function keeps getting its events.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, Final, Literal

from forkpoint import _native, limits

Mode = Literal["line", "jump"]
"""How a frame was stopped: `capture.stack` is told, and for a jump where to (in bytes)."""

Reached = Callable[[Mode, "int | None"], None]

_TOOL_NAME: Final = "forkpoint"


class _Armed:
    """What is armed now; there is at most one."""

    __slots__ = ("address", "code", "on_reached")

    def __init__(self, address: int, code: CodeType, on_reached: Reached) -> None:
        self.address = address
        self.code = code
        self.on_reached = on_reached


_armed: _Armed | None = None


def arm(address: int, code: CodeType, on_reached: Reached) -> bool:
    """Call `on_reached(mode, destination)` once, when that frame is about to begin a line or to jump.

    The call comes from inside the event: for `capture.stack` the frame is the innermost of the program. Arming
    disarms what was armed before. False when all `sys.monitoring` tools are taken (then nothing is armed).
    """
    global _armed
    disarm()
    armed = _Armed(address, code, on_reached)
    if not _arm(armed):
        return False
    _armed = armed
    return True


def disarm() -> None:
    """Forget what is armed, if anything; the program runs at full speed again."""
    global _armed
    if _armed is not None:
        code, _armed = _armed.code, None
        _disarm(code)


def _reach(mode: Mode, destination: int | None) -> None:
    armed = _armed
    if armed is not None:
        disarm()
        armed.on_reached(mode, destination)


if sys.version_info >= (3, 12):
    _monitoring = sys.monitoring
    _EVENTS: Final = _monitoring.events.LINE | _monitoring.events.JUMP
    _tool: int | None = None

    def _arm(armed: _Armed) -> bool:
        if _take_tool() is None:
            return False
        assert _tool is not None
        _monitoring.set_local_events(_tool, armed.code, _EVENTS)
        return True

    def _disarm(code: CodeType) -> None:
        if _tool is not None and _monitoring.get_tool(_tool) == _TOOL_NAME:
            _monitoring.set_local_events(_tool, code, 0)

    def _take_tool() -> int | None:
        """A tool id of our own, kept from its first use on; 3 and 4 are the ones without a customary owner."""
        global _tool
        if _tool is not None and _monitoring.get_tool(_tool) == _TOOL_NAME:
            return _tool
        _tool = next((tool for tool in (4, 3, 2, 1, 0) if _monitoring.get_tool(tool) is None), None)
        if _tool is not None:
            _monitoring.use_tool_id(_tool, _TOOL_NAME)
            _monitoring.register_callback(_tool, _monitoring.events.LINE, _native.plainly(_on_line))
            _monitoring.register_callback(_tool, _monitoring.events.JUMP, _native.plainly(_on_jump))
        return _tool

    # Another frame of the same code (recursion) must not turn the event off: None, never DISABLE.
    def _on_line(code: CodeType, line: int) -> Any:
        if _armed is not None and _native.caller_address() == _armed.address:
            _reach("line", None)

    def _on_jump(code: CodeType, offset: int, destination: int) -> Any:
        if _armed is not None and _native.caller_address() == _armed.address:
            _reach("jump", destination)

else:

    def _arm(armed: _Armed) -> bool:
        _native.trace_arm(armed.address, armed.code, _on_line, limits.ARMED_MILLISECONDS / 1000)
        return True

    def _disarm(code: CodeType) -> None:
        _native.trace_disarm()

    def _on_line() -> None:
        _reach("line", None)
