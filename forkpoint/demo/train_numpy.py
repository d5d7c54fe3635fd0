"""A small network with numpy alone: an ordinary training script that has never heard of checkpoints."""

import hashlib

import numpy as np

EPOCHS = 24

rng = np.random.default_rng(7)
inputs = rng.normal(size=(1600, 32))
targets = np.sin(inputs @ rng.normal(size=(32, 4)))


class Layer:
    def __init__(self, rows, columns):
        self.weights = rng.normal(0, rows**-0.5, (rows, columns))
        self.momentum = np.zeros_like(self.weights)

    def __call__(self, values):
        self.seen = values
        return values @ self.weights

    def step(self, gradient, rate):
        back = gradient @ self.weights.T
        self.momentum = 0.9 * self.momentum + self.seen.T @ gradient
        self.weights -= rate * self.momentum
        return back


first, second = Layer(32, 96), Layer(96, 4)


def batches(size):
    order = rng.permutation(len(inputs))
    for start in range(0, len(order), size):
        yield order[start : start + size]


for epoch in range(EPOCHS):
    total = 0.0
    for picked in batches(2):
        hidden = np.tanh(first(inputs[picked]))
        error = second(hidden) - targets[picked]
        total += float((error**2).mean())
        first.step(second.step(error / len(picked), 0.002) * (1 - hidden**2), 0.002)
    print(f"epoch {epoch:2d}  loss {total / 800!r}", flush=True)

weights = first.weights.tobytes() + second.weights.tobytes()
with open("weights.bin", "wb") as file:
    file.write(weights)
print("weights", hashlib.sha256(weights).hexdigest())
