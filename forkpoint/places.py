"""Functions that hold what cannot be saved: automatic commits wait until those have returned, for a while.

A tree builder or a parser in a local variable would make every restore point of its function's calls incomplete, and
`restore` would go back behind all of them. Its caller, a moment later, holds nothing of the kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import CodeType

from forkpoint.limits import COMPLETE_WAIT_SECONDS
from forkpoint.model import EXCLUDED, UNNAMED, CapturedStack, Tombstone

_IN_FUNCTION = re.compile(r" \(in (.+?)\)")


class Places:
    """What this process has learned of its functions."""

    def __init__(self) -> None:
        self._avoided: list[CodeType] = []
        self._accepted: list[CodeType] = []

    def holder(self, stack: CapturedStack, tombstones: Iterable[Tombstone]) -> tuple[int, Tombstone] | None:
        """The outermost frame (0 is the program's first) that alone makes the point incomplete, and what it holds.

        None where waiting would not help: the module body, or something else, holds what cannot be saved, or the
        function has been waited for in vain.
        """
        held = [self._frame(stack, stone) for stone in tombstones if stone.reason != EXCLUDED]
        if not held or any(index <= 0 for index, _ in held):
            return None
        return min(held, key=lambda pair: pair[0])

    def _frame(self, stack: CapturedStack, stone: Tombstone) -> tuple[int, Tombstone]:
        """Which function it is in; what no variable leads to is most likely in the innermost one, on its stack."""
        if stone.path == UNNAMED:
            last = stack.frames[-1]
            taken = last.kind == "code" or any(last.code is code for code in self._accepted)
            return (-1 if taken else len(stack.frames) - 1), stone
        found = _IN_FUNCTION.search(stone.path)
        for index, record in enumerate(stack.frames):
            if found is not None and record.kind != "code" and record.location.function == found[1]:
                return (-1 if any(record.code is code for code in self._accepted) else index), stone
        return -1, stone

    def avoid(self, code: CodeType) -> None:
        """A call of this function holds what cannot be saved."""
        if not any(code is known for known in self._avoided):
            self._avoided.append(code)

    def avoided(self, unprotected_seconds: float) -> tuple[CodeType, ...]:
        """Functions that no automatic commit should be inside of. After `COMPLETE_WAIT_SECONDS` without any restore
        point an incomplete one is better than none: those known by then are not waited for any more.
        """
        if self._avoided and unprotected_seconds > COMPLETE_WAIT_SECONDS:
            self._accepted.extend(self._avoided)
            self._avoided.clear()
        return tuple(self._avoided)
