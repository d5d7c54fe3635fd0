"""What must be in the store and what may be, as told by the notes that were made before the power went.

Notes, in the order they were made; each is one JSON object:

    made     the store exists; `anchor`: its head anchor, hex; `anchor_name`: the anchor's path under XDG_STATE_HOME
    begin    a commit begins: `point`, `run`, `keep` (retention after it, 0: none), `state` (digest of its content)
    ack      it was acknowledged: `point`, `anchor`
    failed   it was said to have failed: `point`
    asked    its child died, and the store was asked: `point`, `there`; what it did not have then may yet have been
             written whole, where only the power cut lets it be read
    forget   forgetting begins: `keep` of each run
"""

from __future__ import annotations

import hashlib
from typing import Any


def digest(state: list[bytes]) -> str:
    """One line for a whole state, where its pieces end included."""
    return hashlib.sha256(b"".join(hashlib.sha256(piece).digest() for piece in state)).hexdigest()


class Ledger:
    """Grows by `note`; a power cut is judged by what it says then."""

    def __init__(self) -> None:
        self.made = False
        self.anchor = self.anchor_name = ""
        self.begun: dict[str, dict[str, Any]] = {}
        self.durable: list[str] = []
        self.maybe_gone: set[str] = set()
        self.absent: set[str] = set()
        self.open: str | None = None

    def note(self, said: dict[str, Any]) -> None:
        match said["what"]:
            case "made":
                self.made = True
            case "begin":
                self.begun[said["point"]] = said
                self.open = said["point"]
            case "ack":
                self._durable(said["point"])
            case "failed":
                self.open = None
            case "asked":
                self.open = None
                if said["there"]:
                    self._durable(said["point"])
            case "forget":
                for run in {fields["run"] for fields in self.begun.values()}:
                    self._let_go(run, said["keep"])
        self.anchor = said.get("anchor", self.anchor)
        self.anchor_name = said.get("anchor_name", self.anchor_name)

    def _durable(self, point: str) -> None:
        self.open = None
        if point not in self.durable:
            self.durable.append(point)
        fields = self.begun[point]
        self._let_go(fields["run"], fields["keep"])

    def _let_go(self, run: str, keep: int) -> None:
        if keep:
            self.maybe_gone.update(self._of(run)[:-keep])

    def _of(self, run: str) -> list[str]:
        return [point for point in self.durable if self.begun[point]["run"] == run]

    def must(self, found: set[str]) -> set[str]:
        """The restore points that have to be there, given which are: retention may follow a commit nobody heard of."""
        gone = set(self.maybe_gone)
        if self.open in found and (keep := self.begun[self.open]["keep"]):
            kept = self._of(self.begun[self.open]["run"])
            gone.update(kept[: len(kept) - keep + 1])
        return set(self.durable) - gone

    def may(self) -> set[str]:
        """The restore points that may be there."""
        return set(self.begun) - self.absent

    def settle(self, found: list[str]) -> None:
        """The store came back with these, oldest first: they were read from the disk, and are durable."""
        self.open = None
        self.made = True
        self.durable = found
        self.maybe_gone = set()
        self.absent |= set(self.begun) - set(found)
