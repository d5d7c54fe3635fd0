"""Saves its best and its newest weights with torch.save(path) every epoch, and loads the best at the end."""

import hashlib
import os

import torch
from torch import nn

torch.manual_seed(3)
torch.set_num_threads(1)

generator = torch.Generator().manual_seed(11)
X = torch.randn(2048, 24, generator=generator)
y = (X[:, :8].sin().sum(1, keepdim=True) + 0.1 * torch.randn(2048, 1, generator=generator)).float()
train, valid = torch.utils.data.random_split(torch.utils.data.TensorDataset(X, y), [1792, 256], generator=generator)
loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True, generator=generator)

model = nn.Sequential(nn.Linear(24, 96), nn.ReLU(), nn.Dropout(0.1), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=9)
os.makedirs("checkpoints", exist_ok=True)
best = float("inf")
for epoch in range(9):
    model.train()
    running = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(xb), yb)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(xb)
    scheduler.step()
    model.eval()
    with torch.no_grad():
        error = nn.functional.mse_loss(model(X[valid.indices]), y[valid.indices]).item()
    torch.save({"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, "checkpoints/last.pt")
    if error < best:
        best = error
        torch.save(model.state_dict(), "checkpoints/best.pt")
    if epoch % 4 == 0:
        torch.save(model, f"checkpoints/epoch_{epoch}.pt")
    print(f"epoch {epoch} train {running / len(train)!r} valid {error!r} best {best!r}", flush=True)

model.load_state_dict(torch.load("checkpoints/best.pt"))
with torch.no_grad():
    print("best", nn.functional.mse_loss(model(X[valid.indices]), y[valid.indices]).item())
for name in sorted(os.listdir("checkpoints")):
    with open(os.path.join("checkpoints", name), "rb") as file:
        print(name, hashlib.sha256(file.read()).hexdigest()[:16])
