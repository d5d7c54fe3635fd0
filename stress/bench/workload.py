"""What a program is whose checkpoints are measured."""

from __future__ import annotations

from typing import Any


class Workload:
    """Base: it makes its state when it is made, `step` changes it, `state` and `arrays` name its values."""

    name: str
    points: int
    """How many are taken of each method, warming ones included."""

    sparse = False
    """A step changes so little of it that further steps would change what a point has to write."""

    trained = False
    """It has a torch `model` and its `optimizer`."""

    large = False
    """`arrays` holds most of its memory."""

    def step(self) -> None:
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """All that a program would save to go on from here."""
        raise NotImplementedError

    def adopt(self, state: dict[str, Any]) -> None:
        """Go on from a `state` that was loaded."""
        self.__dict__.update(state)

    def arrays(self) -> list[Any]:
        """All large memory, as numpy arrays over it."""
        return []
