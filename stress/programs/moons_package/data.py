import numpy as np


def moons(n, seed):
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, np.pi, n)
    side = rng.integers(0, 2, n)
    X = np.stack([np.cos(t) * (1 - 2 * side) + side, np.sin(t) * (1 - 2 * side) + side * 0.5], 1)
    return X + rng.normal(scale=0.12, size=X.shape), side.astype(float)


class batches:
    """An iterable that gives another order each time it is gone through."""

    def __init__(self, X, y, size, seed):
        self.X, self.y, self.size = X, y, size
        self.rng = np.random.default_rng(seed + 1)

    def __iter__(self):
        order = self.rng.permutation(len(self.X))
        for i in range(0, len(order), self.size):
            rows = order[i : i + self.size]
            yield self.X[rows], self.y[rows]
