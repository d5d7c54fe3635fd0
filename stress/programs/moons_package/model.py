from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Config:
    samples: int = 2000
    hidden: int = 48
    epochs: int = 60
    batch: int = 16
    lr: float = 0.02
    seed: int = 4


class Network:
    def __init__(self, config):
        rng = np.random.default_rng(config.seed)
        self.config = config
        self.layers = [
            [rng.normal(scale=0.7, size=(2, config.hidden)), np.zeros(config.hidden)],
            [rng.normal(scale=0.3, size=(config.hidden, config.hidden)), np.zeros(config.hidden)],
            [rng.normal(scale=0.3, size=(config.hidden, 1)), np.zeros(1)],
        ]

    def forward(self, X):
        hidden = [X]
        for W, b in self.layers[:-1]:
            hidden.append(np.tanh(hidden[-1] @ W + b))
        W, b = self.layers[-1]
        return hidden, 1 / (1 + np.exp(-(hidden[-1] @ W + b)[:, 0]))

    def step(self, X, y):
        hidden, p = self.forward(X)
        delta = ((p - y) / len(y))[:, None]
        for layer, below in zip(reversed(self.layers), reversed(hidden)):
            W, b = layer
            back = delta @ W.T * (1 - below**2)
            W -= self.config.lr * below.T @ delta * 4
            b -= self.config.lr * delta.sum(0) * 4
            delta = back

    def fit(self, data, epochs):
        for epoch in range(epochs):
            for step, (X, y) in enumerate(data):
                self.step(X, y)
                yield epoch, step

    def loss(self, X, y):
        _, p = self.forward(X)
        return float(-np.mean(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12)))

    def accuracy(self, X, y):
        return float(((self.forward(X)[1] > 0.5) == y).mean())

    def __repr__(self):
        return f"Network({sum(float(np.abs(W).sum()) for W, _ in self.layers)!r})"
