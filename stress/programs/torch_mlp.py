"""A torch MLP with Adam, a scheduler and dropout over a shuffled DataLoader (num_workers=0), evaluated each epoch."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(7)
torch.set_num_threads(1)
X = torch.randn(3000, 20)
y = (X[:, :5].sin().sum(1) + 0.3 * torch.randn(3000) > 0).long()
train_set, test_set = random_split(TensorDataset(X, y), [2400, 600])


class Residual(nn.Module):
    def __init__(self, width, dropout):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inside = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width))

    def forward(self, x):
        return x + self.inside(self.norm(x))


class Net(nn.Module):
    def __init__(self, width=64, depth=3, dropout=0.2):
        super().__init__()
        self.stem = nn.Linear(20, width)
        self.blocks = nn.ModuleList(Residual(width, dropout) for _ in range(depth))
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
loader = DataLoader(train_set, batch_size=32, shuffle=True, num_workers=0)
criterion = nn.CrossEntropyLoss(label_smoothing=0.05)


def evaluate():
    net.eval()
    with torch.no_grad():
        hits = sum((net(a).argmax(1) == b).sum().item() for a, b in DataLoader(test_set, batch_size=200))
    net.train()
    return hits / len(test_set)


for epoch in range(12):
    running = 0.0
    for step, (inputs, targets) in enumerate(loader):
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        running += loss.item()
        if step % 15 == 0:
            print(f"epoch {epoch} step {step} loss {loss.item()!r}")
    scheduler.step()
    print(f"epoch {epoch} mean {running / len(loader)!r} accuracy {evaluate()!r} lr {scheduler.get_last_lr()[0]!r}")
print("weights", repr(sum(p.double().abs().sum().item() for p in net.parameters())), torch.rand(1).item())
