"""What the journal answers: runs, restore points, and what is wrong with them, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from forkpoint.journal.plan import RestorePlan

RunState = Literal["running", "died", "finished"]


class Point(NamedTuple):
    """One restore point. `number` orders the store, `seq` its run; `recovered`: known from its pack alone."""

    id: str
    run: str
    seq: int
    number: int
    parent: str | None
    label: str | None
    created_at: str
    trigger: str
    complete: bool
    location: str
    bytes_new: int
    bytes_total: int
    stop_ms: float
    commit_ms: float
    pack: str
    packs: tuple[str, ...]
    manifest_id: bytes | None
    recovered: bool = False

    @property
    def reference(self) -> str:
        """How people name it: RUN@SEQ with the run cut to eight digits."""
        return f"{self.run[:8]}@{self.seq}"


class Run(NamedTuple):
    """One run, its restore points newest first, and what became of it.

    `program_alive` and `child_alive` are never both true: a dead program's child may still be writing.
    """

    id: str
    program: str
    argv: tuple[str, ...]
    cwd: str
    identity: str
    created_at: str
    facts: Mapping[str, Any]
    state: RunState
    exit: int | None
    program_alive: bool
    child_alive: bool
    points: tuple[Point, ...]


class Damage(NamedTuple):
    """Something that is not as it was written: which invariant is broken, where, and which restore points suffer.

    `chunk` is the damaged one, where it is one; `variables` are those whose bytes are hurt, in any of the points.
    """

    invariant: str
    detail: str
    pack: str | None = None
    points: tuple[str, ...] = ()
    chunk: str | None = None
    variables: tuple[str, ...] = ()

    def __str__(self) -> str:
        suffering = f" (restore points {', '.join(point[:8] for point in self.points)})" if self.points else ""
        return f"{self.invariant}: {self.detail}{suffering}"


class Sound(NamedTuple):
    """A restore point each byte of which was checked, how to read it, and what was passed over on the way."""

    point: Point
    plan: RestorePlan
    skipped: tuple[Damage, ...]
    incomplete: tuple[Point, ...]
