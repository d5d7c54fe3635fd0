"""The programs whose checkpoints are measured: each makes its state, changes it by one step, and names its values."""

from __future__ import annotations

from typing import Any

from networks import Frozen, Gpt, Images, LargeGpt, SmallGpt
from tables import Boosted, Pipeline, Search


class Heap:
    """W7: a heap of 3 million Python objects, some 0.3 GB, one row of a hundred replaced per step."""

    name = "W7"
    sparse = True
    points = 7

    def __init__(self) -> None:
        self.turn = 0
        self.rows = [self._row(number) for number in range(300_000)]

    @staticmethod
    def _row(number: int) -> dict[str, Any]:
        return {"id": number, "name": f"row {number}", "at": (number / 7, number / 11), "tags": [f"t{number % 97}"]}

    def step(self) -> None:
        self.turn += 1
        start = self.turn * 17_351 % (len(self.rows) - 3000)
        self.rows[start : start + 3000] = [self._row(number + self.turn) for number in range(start, start + 3000)]

    def state(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def arrays(self) -> list[Any]:
        return []


class Strings:
    """W8: 100 lists of 1000 strings of 100 bytes, one list changed per step."""

    name = "W8"
    sparse = True
    points = 11

    def __init__(self) -> None:
        self.turn = 0
        self.lists = [[self._string(100 * row + at) for at in range(1000)] for row in range(100)]

    @staticmethod
    def _string(seed: int) -> str:
        import random

        return "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=100))

    def step(self) -> None:
        self.turn += 1
        row = self.turn * 37 % 100
        self.lists[row] = [self._string(1_000_000 * self.turn + at) for at in range(1000)]

    def state(self) -> dict[str, Any]:
        return {"lists": self.lists}

    def arrays(self) -> list[Any]:
        return []


class Array:
    """W9: one array of a gigabyte, 8 kB of it changed per step."""

    name = "W9"
    sparse = True
    points = 9

    def __init__(self) -> None:
        import numpy as np

        self.turn = 0
        self.array = np.random.default_rng(0).random(1_000_000_000 // 8)

    def step(self) -> None:
        self.turn += 1
        start = self.turn * 7_654_321 % (len(self.array) - 1000)
        self.array[start : start + 1000] += 1.0

    def state(self) -> dict[str, Any]:
        return {"array": self.array}

    def arrays(self) -> list[Any]:
        return [self.array]


class Dense:
    """All of 128 MB in 32 arrays rewritten per step with bytes that do not compress."""

    name = "dense"
    sparse = False
    points = 9

    def __init__(self) -> None:
        import numpy as np

        self.random = np.random.default_rng(0)
        self.list = [self.random.random(1 << 19) for _ in range(32)]

    def step(self) -> None:
        for array in self.list:
            self.random.random(out=array)

    def state(self) -> dict[str, Any]:
        return {"arrays": self.list}

    def arrays(self) -> list[Any]:
        return self.list


KINDS = (Gpt, SmallGpt, LargeGpt, Images, Frozen, Boosted, Search, Heap, Strings, Array, Pipeline, Dense)
WORKLOADS: dict[str, Any] = {kind.name: kind for kind in KINDS}
