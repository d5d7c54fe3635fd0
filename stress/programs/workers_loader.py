"""Training over a DataLoader with two worker processes, random augmentation in the workers, a seeded shuffle."""

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


def main():
    torch.manual_seed(3)
    torch.set_num_threads(1)
    loader = DataLoader(Noisy(2000), batch_size=20, shuffle=True, num_workers=2)
    model = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(8):
        total = 0.0
        for x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(epoch, repr(total / len(loader)))


if __name__ == "__main__":
    main()
