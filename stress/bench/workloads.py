"""The programs whose checkpoints are measured: each makes its state, changes it by one step, and names its values."""

from __future__ import annotations

from typing import Any

from networks import Frozen, Gpt, Images, LargeGpt, SmallGpt
from tables import Boosted, Pipeline, Search
from workload import Workload


class Heap(Workload):
    """W7: a heap of 9 million Python objects, 1 GB, one row of a hundred replaced per step."""

    name = "W7"
    sparse = True
    points = 4

    def __init__(self) -> None:
        self.turn = 0
        self.rows = [self._row(number) for number in range(900_000)]

    @staticmethod
    def _row(number: int) -> dict[str, Any]:
        return {"id": number, "name": f"row {number}", "at": (number / 7, number / 11), "tags": [f"t{number % 97}"]}

    def step(self) -> None:
        self.turn += 1
        start = self.turn * 17_351 % (len(self.rows) - 9000)
        self.rows[start : start + 9000] = [self._row(number + self.turn) for number in range(start, start + 9000)]

    def state(self) -> dict[str, Any]:
        return {"turn": self.turn, "rows": self.rows}


class Strings(Workload):
    """W8: 100 lists of 1000 strings of 100 bytes, one list changed per step."""

    name = "W8"
    sparse = True
    points = 13
    rows, columns = 100, 1000

    def __init__(self) -> None:
        self.turn = 0
        columns = range(self.columns)
        self.lists = [[self._string(100 * row + at) for at in columns] for row in range(self.rows)]

    @staticmethod
    def _string(seed: int) -> str:
        import random

        return "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=100))

    def step(self) -> None:
        self.turn += 1
        row = self.turn * 37 % self.rows
        self.lists[row] = [self._string(1_000_000 * self.turn + at) for at in range(self.columns)]

    def state(self) -> dict[str, Any]:
        return {"turn": self.turn, "lists": self.lists}


class FewStrings(Strings):
    """The same with 20 lists of 100 strings: to try the measuring itself."""

    name = "tiny"
    points = 6
    rows, columns = 20, 100


class Array(Workload):
    """W9: one array of a gigabyte, 8 kB of it changed per step."""

    name = "W9"
    sparse = True
    large = True
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
        return {"turn": self.turn, "array": self.array}

    def arrays(self) -> list[Any]:
        return [self.array]


class Dense(Workload):
    """All of 128 MB in 32 arrays rewritten per step with bytes that do not compress."""

    name = "dense"
    large = True
    points = 9

    def __init__(self) -> None:
        import numpy as np

        self.random = np.random.default_rng(0)
        self.list = [self.random.random(1 << 19) for _ in range(32)]

    def step(self) -> None:
        for array in self.list:
            self.random.random(out=array)

    def state(self) -> dict[str, Any]:
        return {"random": self.random, "list": self.list}

    def arrays(self) -> list[Any]:
        return self.list


KINDS = (Gpt, SmallGpt, LargeGpt, Images, Frozen, Boosted, Search, Heap, Strings, Array, Pipeline, Dense, FewStrings)
WORKLOADS: dict[str, type[Workload]] = {kind.name: kind for kind in KINDS}
