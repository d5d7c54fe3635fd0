"""An import under way: a program whose loop runs while its module is imported goes on inside it.

All of an import is Python code (importlib._bootstrap) but for the instruction itself, and the calls of `exec` and
`__import__` within. An instruction whose import comes back is begun once more: the module is there by then
(Python/import.c, PyImport_ImportModuleLevelObject), so that what it gives is the same, and no module runs twice.
"""

from __future__ import annotations

import _imp
import builtins
import sys
from typing import Any, Final

from forkpoint.capture import roots
from forkpoint.capture.bytecode import Instruction
from forkpoint.capture.frames import Frame

_ENTRIES: Final = ("_find_and_load", "_handle_fromlist")
"""What C code calls of importlib."""

_CALLS_AND_FORGETS: Final = "_call_with_frames_removed"
"""What importlib calls `__import__` through, for a package above or a module below; nobody looks at what that gives."""


def _bootstrap(name: str) -> Any:
    return vars(sys.modules["_frozen_importlib"])[name]


def is_entered(callee: Frame) -> bool:
    """Is the callee the function in which an import statement begins?"""
    return any(callee.function is _bootstrap(name) for name in _ENTRIES)


def plan(frame: Frame, instruction: Instruction, callee: Frame) -> dict[str, Any] | None:
    """How an IMPORT_NAME goes on: it begins anew with its operands. None where `__import__` was replaced, and while the
    interpreter's lock of all imports is held, which no restored process holds.
    """
    if not is_entered(callee) or _imp.lock_held():
        return None
    return {"outcome": "import", "next": instruction.start, "keep": instruction.depth}


def is_within(called: Any, frame: Frame, callee: Frame) -> bool:
    """Is `__import__` called by importlib, which ignores what it returns?"""
    return called is builtins.__import__ and is_entered(callee) and frame.function is _bootstrap(_CALLS_AND_FORGETS)


def is_librarys(called: Any, frame: Frame, callee: Frame) -> bool:
    """Does importlib run a library's module? The restored process has imported that before: it would run on twice."""
    if called is not builtins.exec or frame.function is not _bootstrap(_CALLS_AND_FORGETS):
        return False
    return not any(vars(module) is callee.namespace for module in roots.find().by_value)
