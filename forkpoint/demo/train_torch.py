"""Two spirals with torch: an ordinary training script that has never heard of checkpoints."""

import hashlib
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 24

torch.manual_seed(7)
turns = torch.linspace(0.5, 3.0, 900) * math.pi
arm = torch.stack([turns * turns.cos(), turns * turns.sin()], 1) / 10
points = torch.cat([arm, -arm]) + torch.randn(1800, 2) * 0.03
labels = torch.cat([torch.zeros(900), torch.ones(900)])

model = nn.Sequential(nn.Linear(2, 96), nn.ReLU(), nn.Dropout(0.1), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
loader = DataLoader(TensorDataset(points, labels), batch_size=150, shuffle=True)
criterion = nn.BCEWithLogitsLoss()

for epoch in range(EPOCHS):
    total = 0.0
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs).squeeze(1), targets)
        loss.backward()
        optimizer.step()
        total += loss.item()
    schedule.step()
    print(f"epoch {epoch:2d}  loss {total / len(loader)!r}  rate {schedule.get_last_lr()[0]:.6f}", flush=True)

weights = b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())
with open("weights.bin", "wb") as file:
    file.write(weights)
print("weights", hashlib.sha256(weights).hexdigest())
