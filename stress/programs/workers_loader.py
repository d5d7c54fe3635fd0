"""Training over a DataLoader with two worker processes, random augmentation in the workers, a seeded shuffle; another
loader, whose worker is kept from epoch to epoch, for validation."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Noisy(Dataset):
    def __init__(self, size):
        generator = torch.Generator().manual_seed(5)
        self.x = torch.randn(size, 16, generator=generator)
        self.y = self.x[:, :4].sum(1, keepdim=True)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index] + 0.1 * torch.randn(16), self.y[index]


class Cropped(Noisy):
    """Now and then a part is missing, by numpy's dice; each worker keeps what it has read."""

    def __init__(self, size):
        super().__init__(size)
        self.read = {}

    def __getitem__(self, index):
        if index not in self.read:
            self.read[index] = super().__getitem__(index)
        x, y = self.read[index]
        return x * torch.from_numpy((np.random.rand(16) > 0.05).astype("float32")), y


def seed_worker(worker):
    np.random.seed(torch.initial_seed() % 2**32)


def main():
    torch.manual_seed(3)
    torch.set_num_threads(1)
    loader = DataLoader(Noisy(2000), batch_size=20, shuffle=True, num_workers=2)
    held_out = DataLoader(
        Cropped(200), batch_size=50, num_workers=1, persistent_workers=True, worker_init_fn=seed_worker
    )
    model = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(16):
        total = 0.0
        for x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        with torch.no_grad():
            errors = [nn.functional.mse_loss(model(x), y).item() for x, y in held_out]
        print(epoch, repr(total / len(loader)), repr(sum(errors) / len(errors)))


if __name__ == "__main__":
    main()
