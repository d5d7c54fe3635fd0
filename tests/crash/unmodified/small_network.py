"""A hand-written network: callables, properties, generators, a context manager, exceptions and a cache, no library."""

import contextlib
import functools


class Rng:
    def __init__(self, seed):
        self.seed = seed

    def next(self):
        self.seed = (self.seed * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return self.seed >> 33


rng = Rng(7)


class Linear:
    def __init__(self, n):
        self.weights = [rng.next() % 100 / 100 for _ in range(n)]

    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        total = 0.0
        for w, v in zip(self.weights, x):
            total += w * v
        return total

    @property
    def norm(self):
        return sum(w * w for w in self.weights)


class Model:
    def __init__(self, n):
        self.layers = [Linear(n) for _ in range(4)]

    def __call__(self, x):
        return [layer(x) for layer in self.layers]


def batches(n, size):
    for i in range(n):
        yield i, [[rng.next() % 10 for _ in range(size)] for _ in range(8)]


def read(n):
    yield from batches(n, 16)


@contextlib.contextmanager
def section(name):
    print(">", name)
    try:
        yield
    finally:
        print("<", name)


@functools.lru_cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def loss(out):
    try:
        if out[0] > out[1] * 3:
            raise ValueError(out)
        return sum((o - 1) ** 2 for o in out)
    except ValueError:
        k = 0
        while k < 20:
            k += 1
        return 5.0
    finally:
        [q for q in range(30) if q % 2]


def train(model, epochs, n):
    history = []
    for epoch in range(epochs):
        with section(f"epoch {epoch}"):
            total = 0.0
            for i, batch in read(n):
                for x in batch:
                    out = model(x)
                    total += loss(out)
                    for layer in model.layers:
                        layer.weights = [w * 0.99 + 0.001 * (v % 3) for w, v in zip(layer.weights, x)]
                    history.append(max(out, key=lambda t: -t))
                if i % 50 == 0:
                    print(epoch, i, repr(total), repr(model.layers[0].norm), fibonacci(30 + epoch))
            history.sort(key=lambda t: (t * 1000) % 7)
            print("epoch", epoch, repr(total), repr(sum(history)))
    return history


model = Model(16)
total = 0
for run in range(3):
    total += len(train(model, 3, 1300))
    words = {str(k): k for k in range(500)}
    for key, value in words.items():
        total += len(key) * value % 11
print("total", total, rng.seed)
