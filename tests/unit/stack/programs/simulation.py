"""A simulation with generators, a priority queue, decorated methods, one-line loops, recursion and with blocks."""
import contextlib
import functools
import heapq
import itertools


class Random:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return self.state >> 33


random = Random(11)


def counted(method):
    @functools.wraps(method)
    def inner(self, *args, **kwargs):
        self.calls += 1
        return method(self, *args, **kwargs)

    return inner


class Layer:
    def __init__(self, size):
        self.calls = 0
        self.weights = [random.next() % 100 / 100 for _ in range(size)]

    def __call__(self, *args):
        return self.forward(*args)

    @counted
    def forward(self, xs, scale=1.0):
        total = 0.0
        for weight, x in zip(self.weights, xs): total += weight * x * scale
        return total

    @property
    def norm(self):
        total = 0
        for weight in self.weights:
            total += weight * weight
        return total


class Model(Layer):
    def __init__(self, size, layers):
        super().__init__(size)
        self.layers = [Layer(size) for _ in range(layers)]

    @counted
    def forward(self, xs):
        return [layer(xs) for layer in self.layers] + [super().forward(xs, scale=0.5)]


def batches(count, size):
    for index in range(count):
        yield index, [random.next() % 10 for _ in range(size)]


def reading(count):
    done = yield from batches(count, 12)
    return done


@contextlib.contextmanager
def section(name):
    print(">", name)
    try:
        yield name.upper()
    finally:
        print("<", name)


def events(limit):
    queue = [(1, "a")]
    counter = itertools.count()
    while queue:
        at, name = heapq.heappop(queue)
        if at > limit:
            return name
        for step in (3, 5):
            if random.next() % 2 and len(queue) < 9: heapq.heappush(queue, (at + step, f"{name[:3]}{next(counter)}"))
        if not queue: queue.append((at + 1, "again"))
        yield at, name


def tree(depth, seed):
    if depth == 0:
        return seed % 7
    try:
        return tree(depth - 1, seed * 3 + 1) + tree(depth - 1, seed * 5 + 2)
    finally:
        seed += 1


def guarded(values):
    try:
        if values[0] > values[1] * 2:
            raise ValueError(values[0])
        return sum(values)
    except ValueError as error:
        k = 0
        while k < 30: k += 1
        return error.args[0]


def train(model, epochs):
    for epoch in range(epochs):
        total = 0.0
        with section(f"epoch {epoch}") as shown:
            for index, xs in reading(120):
                total += guarded(model(xs))
                if index % 40 == 0:
                    print(shown, index, f"{total:.6f}", f"{model.norm:.6f}", model.calls)
            print(epoch, f"{total:.9f}", tree(7, epoch))


def main():
    model = Model(12, 3)
    train(model, 4)
    last = None
    for last in events(400):
        if last[0] % 50 == 0:
            print(last)
    print("end", last, model.calls, random.state)


main()
total = 0
for i in range(3000): total += i % 7
print(total)
