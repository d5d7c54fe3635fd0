"""What is known of a run when it begins: which program, with which arguments, where."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class RunInfo:
    """One execution of a program and those that continue it. `argv` and `facts` hold what JSON can say.

    `identity` is the digest by which `--resume auto` finds a run again. A plain class, not a dataclass: the committer
    is started for every commit and must not load `dataclasses`.
    """

    __slots__ = ("argv", "created_at", "cwd", "facts", "id", "identity", "program")

    def __init__(
        self,
        id: str,
        program: str,
        argv: Sequence[str] = (),
        cwd: str = "",
        identity: str = "",
        created_at: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.id = id
        self.program = program
        self.argv = tuple(argv)
        self.cwd = cwd
        self.identity = identity
        self.created_at = created_at
        self.facts = dict(facts or {})

    def fields(self) -> dict[str, Any]:
        """By name, as JSON (and marshal) can say them."""
        return {
            "id": self.id,
            "program": self.program,
            "argv": list(self.argv),
            "cwd": self.cwd,
            "identity": self.identity,
            "created_at": self.created_at,
            "facts": self.facts,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> RunInfo:
        """The reverse of `fields`."""
        return cls(**fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunInfo) and self.fields() == other.fields()

    __hash__ = None  # type: ignore[assignment]
