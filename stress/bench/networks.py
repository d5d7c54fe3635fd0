"""The torch programs whose checkpoints are measured: W1 to W4."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from workload import Workload


class Trained(Workload):
    """A model in training: `model`, `optimizer` and `torch` are its attributes, `loss` is that of the next batch."""

    trained = True
    large = True
    model: Any
    optimizer: Any
    torch: Any

    def loss(self) -> Any:
        raise TypeError("which model?")

    def step(self) -> None:
        self.loss().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def adopt(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])

    def arrays(self) -> list[Any]:
        moments = [value for state in self.optimizer.state.values() for value in state.values()]
        return [tensor.detach().numpy().reshape(-1) for tensor in (*self.model.parameters(), *moments)]


class Gpt(Trained):
    """W1: a char-GPT of 10.9 M parameters with AdamW on the text of the standard library; 131 MB of state."""

    name = "W1"
    points = 8
    shape = 384, 6, 6

    def __init__(self) -> None:
        import torch
        from torch import nn

        torch.manual_seed(0)
        self.length = 32
        width, layers, heads = self.shape
        text = b"".join(path.read_bytes() for path in sorted(Path(os.__file__).parent.glob("a*.py")))
        self.text = torch.tensor(list(text), dtype=torch.uint8)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.model = nn.Sequential(nn.Embedding(256, width), blocks, nn.LayerNorm(width), nn.Linear(width, 256))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.torch = torch

    def loss(self) -> Any:
        torch = self.torch
        start = int(torch.randint(len(self.text) - self.length - 1, (1,)))
        window = self.text[start : start + self.length + 1].long()
        return torch.nn.functional.cross_entropy(self.model(window[None, :-1])[0], window[1:])


class SmallGpt(Gpt):
    """The same with 3.4 M parameters: 41 MB of state."""

    name = "small"
    shape = 256, 4, 4


class LargeGpt(Trained):
    """W2: the shape of GPT-2 with 124 M parameters, random, and AdamW; 1.5 GB of state."""

    name = "W2"
    points = 5

    def __init__(self) -> None:
        import torch
        from torch import nn

        torch.manual_seed(0)
        width, layers, heads, self.words = 768, 12, 12, 50257
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        embedding = nn.Embedding(self.words, width)
        head = nn.Linear(width, self.words, bias=False)
        head.weight = embedding.weight
        self.model = nn.Sequential(embedding, blocks, nn.LayerNorm(width), head)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.torch = torch

    def loss(self) -> Any:
        torch = self.torch
        text = torch.randint(self.words, (1, 33))
        return torch.nn.functional.cross_entropy(self.model(text[:, :-1])[0], text[0, 1:])


class Images(Trained):
    """W3: ResNet-18 (11.7 M parameters) with SGD and momentum on synthetic images; 94 MB of state."""

    name = "W3"
    points = 9

    def __init__(self) -> None:
        import torch
        from torch import nn

        torch.manual_seed(0)

        def convolution(into: int, out: int, size: int, stride: int) -> Any:
            return nn.Sequential(nn.Conv2d(into, out, size, stride, size // 2, bias=False), nn.BatchNorm2d(out))

        class Block(nn.Module):
            def __init__(self, into: int, out: int, stride: int) -> None:
                super().__init__()
                self.body = nn.Sequential(convolution(into, out, 3, stride), nn.ReLU(), convolution(out, out, 3, 1))
                self.past = nn.Identity() if stride == 1 and into == out else convolution(into, out, 1, stride)

            def forward(self, images: Any) -> Any:
                return torch.relu(self.body(images) + self.past(images))

        widths = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
        blocks = [block for into, out, stride in widths for block in (Block(into, out, stride), Block(out, out, 1))]
        first = convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        last = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)
        self.model = nn.Sequential(*first, *blocks, *last)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        self.torch = torch

    def loss(self) -> Any:
        torch = self.torch
        return torch.nn.functional.cross_entropy(self.model(torch.randn(4, 3, 96, 96)), torch.randint(1000, (4,)))


class Frozen(Trained):
    """W4: a frozen backbone of 25 M parameters (100 MB) and adapters of rank 4 that learn (LoRA)."""

    name = "W4"
    points = 9

    def __init__(self) -> None:
        import torch
        from torch import nn

        torch.manual_seed(0)
        width, layers, rank = 1024, 24, 4
        backbone = nn.ModuleList(nn.Linear(width, width) for _ in range(layers)).requires_grad_(False)
        down = nn.ParameterList(torch.randn(width, rank) / width for _ in range(layers))
        up = nn.ParameterList(torch.zeros(rank, width) for _ in range(layers))
        self.model = nn.ModuleDict({"backbone": backbone, "down": down, "up": up})
        self.optimizer = torch.optim.AdamW([*down, *up], lr=1e-3)
        self.torch = torch

    def loss(self) -> Any:
        torch = self.torch
        hidden = torch.randn(16, 1024)
        for layer, down, up in zip(*self.model.values(), strict=True):
            hidden = torch.tanh(layer(hidden) + hidden @ down @ up)
        return (hidden - 1).pow(2).mean()
