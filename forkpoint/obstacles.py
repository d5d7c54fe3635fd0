"""What stands in the way of commits: counted by reason and place, and what may be done about it."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from forkpoint import limits
from forkpoint.model import IMPORTING, Refusal

BUSY: Final = "the commit before is still being written"
"""No obstacle of its own: where that one comes to nothing, there is another reason."""


class Obstacles:
    """All refusals of a process so far."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._newest: deque[tuple[str, str]] = deque(maxlen=limits.REFUSALS_NEWEST)

    def note(self, refusal: Refusal) -> None:
        """Count what stands in the way of commits at a place; `show` lists it."""
        key = (refusal.reason, refusal.location)
        self._newest.append(key)
        if key not in self._counts and len(self._counts) >= limits.REFUSALS_LISTED:
            key = ("other reasons", "")
        self._counts[key] = self._counts.get(key, 0) + refusal.count

    def listed(self) -> tuple[Refusal, ...]:
        """All of them."""
        return tuple(Refusal(reason, location, count) for (reason, location), count in self._counts.items())

    def why(self) -> str:
        """Why no commit is taken now, in one sentence: the commonest of the newest refusals.

        Imports refuse many times within their seconds, what refuses for the hours after them with long pauses between.
        """
        reason, location = self._commonest()
        return f"{reason} ({location})" if location else reason

    def advice(self) -> str:
        """What may be done about `why`."""
        return advice(self._commonest()[0])

    def _commonest(self) -> tuple[str, str]:
        if not self._newest:
            return "the program has not come to a place where one can be taken", ""
        newest = [key for key in self._newest if key[0] not in (BUSY, IMPORTING)] or list(self._newest)
        kind, _ = Counter(map(_kind, newest)).most_common(1)[0]
        return Counter(key for key in newest if _kind(key) == kind).most_common(1)[0][0]


def _kind(key: tuple[str, str]) -> str:
    """A refusal without the object it names, which is another one each time."""
    return key[0].partition(":")[0]


def advice(reason: str) -> str:
    """What to do about what stands in the way of commits, by the words of `reason`."""
    if "child process" in reason:
        return "commits wait until it ends; between children, or with --ignore-threads 'child process*', they are taken"
    if "event loop" in reason:
        return (
            "commits are taken before asyncio.run() and after it; --restarts begins anew, from what the program saved"
        )
    if "graph" in reason:
        return "commits are taken once backward() has used the graph up, or where its tensors are out of scope"
    if "Thread" in reason or "thread" in reason:
        return "commits wait until it ends; --ignore-threads GLOB takes them all the same, without its work"
    if "memory" in reason:
        return "commits wait for free memory; a smaller program, or a larger machine, is protected"
    return "forkpoint.checkpoint() in a loop of the program's own takes one there; `forkpoint show` tells the rest"
