"""A small conv net with gradient accumulation, GradScaler and autocast on the CPU, a warm-up and OneCycle schedule."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import LinearLR, OneCycleLR, ReduceLROnPlateau, SequentialLR, StepLR

torch.manual_seed(11)
torch.set_num_threads(1)
images = torch.randn(512, 1, 16, 16)
labels = (images[:, 0, 4:12, 4:12].mean((1, 2)) * 60).round().clamp(-4, 4).long() + 4


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(4),
        )
        self.classifier = nn.Linear(16 * 16, 9)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


model = Net()
ema = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
warmup = SequentialLR(optimizer, [LinearLR(optimizer, 0.1, total_iters=20), StepLR(optimizer, 30, 0.7)], [20])
plateau = ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=7)
accumulate = 4
losses = []
for epoch in range(6):
    order = torch.randperm(len(images))
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for step, batch in enumerate(order.split(16)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = model(images[batch])
            loss = F.cross_entropy(output.float(), labels[batch]) / accumulate
        scaler.scale(loss).backward()
        total += loss.detach()
        if (step + 1) % accumulate == 0:
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
            ema.update_parameters(model)
            warmup.step()
    plateau.step(total)
    losses.append(total.item())
    print(epoch, repr(total.item()), repr(norm.item()), scaler.get_scale(), repr(optimizer.param_groups[0]["lr"]))

optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
schedule = OneCycleLR(optimizer, max_lr=1e-2, total_steps=60)
for step in range(60):
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    if step % 10 == 0:
        print(step, repr(loss.item()), schedule.get_last_lr())
print(repr(sum(p.double().sum().item() for p in ema.parameters())), len(losses))
