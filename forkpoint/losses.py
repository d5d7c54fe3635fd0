"""What restore points lack, told to the program once: which tombstones a child made, and the warnings about them.

The child knows, the program must say it: the report of a durable point carries the tombstones not told of yet as its
message (as many as fit). An explicit `checkpoint(wait=True)` warns as Python code does, in its caller's name, and
raises under `-W error`. Everybody else learns at a moment nobody chose, where an exception, or an entry in a list
that `catch_warnings(record=True)` has open, would change the program: there it is printed, in the form of a warning,
and the filters only decide whether.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Final

from forkpoint.errors import NotCapturedWarning
from forkpoint.limits import REPORT_MESSAGE_BYTES
from forkpoint.model import EXCLUDED, Tombstone
from forkpoint.say import say

_FIELD: Final = "\x1f"
_RECORD: Final = "\x1e"
_PATH_CHARACTERS_MAX: Final = 120
_REASON_CHARACTERS_MAX: Final = 100


class Losses:
    """What one process has told of. A fork inherits it, and so a child knows what is new."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()
        self._crowded = False
        self._waiting: list[str] = []

    def message(self, tombstones: Iterable[Tombstone]) -> str:
        """For the report: how many are new, then those that fit. Empty when nothing new is lost."""
        new = list({(stone.path, stone.type): stone for stone in tombstones if self._is_new(stone)}.values())
        if not new:
            return ""
        message = str(len(new))
        for stone in new:
            path, reason = stone.path[:_PATH_CHARACTERS_MAX], stone.reason[:_REASON_CHARACTERS_MAX]
            longer = message + _RECORD + _FIELD.join((path, stone.type, reason))
            if len(longer.encode("utf-8", "backslashreplace")) > REPORT_MESSAGE_BYTES:
                break
            message = longer
        return message

    def _is_new(self, stone: Tombstone) -> bool:
        if stone.reason == EXCLUDED or (stone.path[:_PATH_CHARACTERS_MAX], stone.type) in self._told:
            return False
        return not (self._crowded and any(stone.type == kind for _, kind in self._told))

    def learn(self, point: str, message: str) -> None:
        """Take a report's message; what it says waits for `warn` or `tell`."""
        if not message:
            return
        count, *records = message.split(_RECORD)
        for record in records:
            path, kind, reason = record.split(_FIELD)
            self._told.add((path, kind))
            self._waiting.append(_sentence(point, path, kind, reason))
        more = int(count) - len(records)
        if more > 0:
            self._crowded = True
            self._waiting.append(f"{more} more objects are not in it: forkpoint show {point[:12]}")

    def paths(self) -> list[str]:
        """What was not captured, as far as it was told by name."""
        return sorted(path for path, _ in self._told)

    def warn(self, stacklevel: int) -> None:
        """Warn in the name of the code that called forkpoint; raises where its filters make errors of warnings."""
        while self._waiting:
            warnings.warn(self._waiting.pop(0), NotCapturedWarning, stacklevel=stacklevel + 1)

    def tell(self) -> None:
        """Print on stderr what waits, unless the program ignores such warnings. Never raises, runs no code of its."""
        waiting, self._waiting = self._waiting, []
        for sentence in waiting:
            if not _ignored(sentence):
                say(f"{NotCapturedWarning.__name__}: {sentence}")


def _sentence(point: str, path: str, kind: str, reason: str) -> str:
    variable = path.partition(" (in ")[0]
    named = all(part.isidentifier() for part in variable.split("."))
    leave_out = f", or leave it out with forkpoint.exclude({variable!r})" if named else ""
    return (
        f"{path} ({kind}) is not in restore point {point[:12]}: {reason}. Restored, it raises an error when touched: "
        f"make it again in a function given to forkpoint.on_restore(){leave_out}"
    )


def _ignored(sentence: str) -> bool:
    """Does the first filter that fits say so (warnings.warn_explicit, Lib/warnings.py)?"""
    for action, message, category, module, line in list(warnings.filters):
        fits = line == 0 and issubclass(NotCapturedWarning, category)
        if fits and (message is None or message.match(sentence)) and (module is None or module.match("forkpoint")):
            return action == "ignore"
    return False
