"""torch.compile with its inductor backend: a compiled module in a training loop, and a compiled function beside it."""
import torch
from torch import nn
torch.manual_seed(0)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 1))
fast = torch.compile(model)
opt = torch.optim.Adam(model.parameters())


@torch.compile
def noise(x):
    return (x.sin() + x.cos() * 0.1).relu()


for step in range(2500):
    x = torch.randn(64, 32)
    loss = nn.functional.mse_loss(fast(x), noise(x).sum(1, keepdim=True))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(step, loss.item(), flush=True)
print(sum(p.double().sum().item() for p in model.parameters()))
