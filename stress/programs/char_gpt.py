"""A small character GPT on the standard library's own sources: TensorBoard events, loss and logits alive throughout."""

import math
import os
import random

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.tensorboard import SummaryWriter

torch.manual_seed(1337)
random.seed(3)
torch.set_num_threads(1)
folder = os.path.dirname(os.__file__)
text = "".join(open(os.path.join(folder, n), encoding="utf-8").read() for n in ("abc.py", "bisect.py", "heapq.py", "this.py"))
letters = sorted(set(text))
number = {c: i for i, c in enumerate(letters)}
data = torch.tensor([number[c] for c in text])
split = int(0.9 * len(data))
BLOCK, BATCH, WIDTH, HEADS, LAYERS, STEPS = 32, 8, 48, 4, 2, 420


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.drop = nn.Dropout(0.1)
        self.register_buffer("mask", torch.tril(torch.ones(BLOCK, BLOCK)).view(1, 1, BLOCK, BLOCK))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (z.view(b, t, HEADS, c // HEADS).transpose(1, 2) for z in self.qkv(x).split(WIDTH, dim=2))
        weights = (q @ k.transpose(-2, -1)) / math.sqrt(c // HEADS)
        weights = self.drop(F.softmax(weights.masked_fill(self.mask[:, :, :t, :t] == 0, float("-inf")), dim=-1))
        return self.out((weights @ v).transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH), nn.Dropout(0.1))

    def forward(self, x):
        x = x + self.attention(self.n1(x))
        return x + self.mlp(self.n2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(len(letters), WIDTH)
        self.places = nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, len(letters), bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, index, targets=None):
        x = self.tokens(index) + self.places(torch.arange(index.shape[1]))
        logits = self.head(self.norm(self.blocks(x)))
        loss = None if targets is None else F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        return logits, loss

    @torch.no_grad()
    def generate(self, index, n):
        for _ in range(n):
            logits, _ = self(index[:, -BLOCK:])
            index = torch.cat([index, torch.multinomial(F.softmax(logits[:, -1], dim=-1), 1)], dim=1)
        return index


def batch(kind):
    source = data[:split] if kind == "train" else data[split:]
    places = torch.randint(len(source) - BLOCK, (BATCH,))
    return torch.stack([source[i : i + BLOCK] for i in places]), torch.stack([source[i + 1 : i + 1 + BLOCK] for i in places])


def rate(step):
    return 3e-3 * min(1, (step + 1) / 30) * (0.5 + 0.5 * math.cos(math.pi * step / STEPS))


@torch.no_grad()
def estimate():
    model.eval()
    losses = {kind: torch.stack([model(*batch(kind))[1] for _ in range(4)]).mean().item() for kind in ("train", "val")}
    model.train()
    return losses


model = GPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95))
writer = SummaryWriter("events")
best = float("inf")
for step in range(STEPS):
    for group in optimizer.param_groups:
        group["lr"] = rate(step)
    inputs, targets = batch("train")
    logits, loss = model(inputs, targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    writer.add_scalar("loss/train", loss.item(), step)
    if step % 5 == 0:
        print(f"step {step} loss {loss.item()!r} norm {norm.item()!r} logits {logits.mean().item()!r}")
    if step % 60 == 59:
        losses = estimate()
        best = min(best, losses["val"])
        writer.add_scalars("loss", losses, step)
        sample = model.generate(torch.zeros((1, 1), dtype=torch.long), 24)[0].tolist()
        print(f"step {step} {losses!r} {''.join(letters[i] for i in sample)!r}")
writer.close()
print("end", repr(best), repr(sum(p.double().sum().item() for p in model.parameters())), random.random())
