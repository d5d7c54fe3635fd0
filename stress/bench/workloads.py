"""The programs whose checkpoints are measured: each makes its state, changes it by one step, and names its values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class Gpt:
    """W1: a char-GPT of 10.9 M parameters with AdamW on the text of the standard library; 131 MB of state."""

    name = "W1"
    sparse = False
    points = 12

    def __init__(self) -> None:
        import torch
        from torch import nn

        torch.manual_seed(0)
        width, layers, heads, self.length = 384, 6, 6, 32
        text = b"".join(path.read_bytes() for path in sorted(Path(os.__file__).parent.glob("a*.py")))
        self.text = torch.tensor(list(text), dtype=torch.uint8)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.model = nn.Sequential(nn.Embedding(256, width), blocks, nn.LayerNorm(width), nn.Linear(width, 256))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.torch = torch

    def step(self) -> None:
        torch = self.torch
        start = int(torch.randint(len(self.text) - self.length - 1, (1,)))
        window = self.text[start : start + self.length + 1].long()
        loss = torch.nn.functional.cross_entropy(self.model(window[None, :-1])[0], window[1:])
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def arrays(self) -> list[Any]:
        """All large memory, as numpy arrays over it."""
        moments = [value for state in self.optimizer.state.values() for value in state.values()]
        return [tensor.detach().numpy().reshape(-1) for tensor in (*self.model.parameters(), *moments)]


class Frozen:
    """W4: a frozen backbone of 25 M parameters (100 MB) and adapters of rank 4 that learn (LoRA)."""

    name = "W4"
    sparse = False
    points = 9

    def __init__(self) -> None:
        import torch
        from torch import nn

        torch.manual_seed(0)
        width, layers, rank = 1024, 24, 4
        self.backbone = nn.ModuleList(nn.Linear(width, width) for _ in range(layers)).requires_grad_(False)
        self.down = nn.ParameterList(torch.randn(width, rank) / width for _ in range(layers))
        self.up = nn.ParameterList(torch.zeros(rank, width) for _ in range(layers))
        self.optimizer = torch.optim.AdamW([*self.down, *self.up], lr=1e-3)
        self.torch = torch

    def step(self) -> None:
        torch = self.torch
        hidden = torch.randn(16, 1024)
        for layer, down, up in zip(self.backbone, self.down, self.up, strict=True):
            hidden = torch.tanh(layer(hidden) + hidden @ down @ up)
        (hidden - 1).pow(2).mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state(self) -> dict[str, Any]:
        learned = {"down": self.down.state_dict(), "up": self.up.state_dict()}
        return {"backbone": self.backbone.state_dict(), **learned, "optimizer": self.optimizer.state_dict()}

    def arrays(self) -> list[Any]:
        moments = [value for state in self.optimizer.state.values() for value in state.values()]
        learned = (*self.backbone.parameters(), *self.down, *self.up)
        return [tensor.detach().numpy().reshape(-1) for tensor in (*learned, *moments)]


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


WORKLOADS = {kind.name: kind for kind in (Gpt, Frozen, Heap, Strings, Array, Dense)}
