"""N-body, spectral norm, fannkuch, mandelbrot, k-nucleotide and a Richards-like scheduler, in the style of pyperformance."""

import argparse
import itertools
import math
import sys
from bisect import bisect
from collections import defaultdict, deque
from functools import reduce


class Body:
    __slots__ = ("mass", "position", "velocity")

    def __init__(self, position, velocity, mass):
        self.position, self.velocity, self.mass = list(position), list(velocity), mass


def nbody(steps):
    bodies = [
        Body((0, 0, 0), (0, 0, 0), 39.47),
        Body((4.84, -1.16, -0.10), (0.606, 2.81, -0.02), 0.037),
        Body((8.34, 4.12, -0.4), (-1.01, 1.82, 0.008), 0.011),
        Body((12.89, -15.11, -0.22), (1.08, 0.868, -0.010), 0.0017),
    ]
    pairs = list(itertools.combinations(bodies, 2))
    for _ in range(steps):
        for a, b in pairs:
            gap = [p - q for p, q in zip(a.position, b.position)]
            pull = 0.001 / math.fsum(g * g for g in gap) ** 1.5
            for k in range(3):
                a.velocity[k] -= gap[k] * b.mass * pull
                b.velocity[k] += gap[k] * a.mass * pull
        for body in bodies:
            body.position = [p + 0.001 * v for p, v in zip(body.position, body.velocity)]
    return [repr(sum(b.position)) for b in bodies]


def spectral(n):
    def element(i, j):
        return 1.0 / ((i + j) * (i + j + 1) // 2 + i + 1)

    def times(u):
        return [sum(element(i, j) * x for j, x in enumerate(u)) for i in range(n)]

    def transposed(u):
        return [sum(element(j, i) * x for j, x in enumerate(u)) for i in range(n)]

    u = [1.0] * n
    for _ in range(4):
        v = transposed(times(u))
        u = transposed(times(v))
    return repr(math.sqrt(sum(a * b for a, b in zip(u, v)) / sum(b * b for b in v)))


def fannkuch(n):
    most = checksum = 0
    for sign, order in zip(itertools.cycle((1, -1)), itertools.permutations(range(n))):
        flips, row = 0, list(order)
        while (first := row[0]) != 0:
            row[: first + 1] = row[first::-1]
            flips += 1
        most, checksum = max(most, flips), checksum + sign * flips
    return most, checksum


def mandelbrot(size):
    def escape(c, limit=60):
        z = 0j
        for n in range(limit):
            yield n
            z = z * z + c
            if abs(z) > 2:
                return

    def rows():
        for y in range(size):
            yield (max(escape(complex(2 * x / size - 1.5, 2 * y / size - 1))) for x in range(size))

    return sum(sum(row) * (number + 1) for number, row in enumerate(rows()))


def dna(n, seed=42):
    letters, shares = "acgt", list(itertools.accumulate((0.3, 0.2, 0.2, 0.3)))
    for _ in range(n):
        seed = (seed * 3877 + 29573) % 139968
        yield letters[min(bisect(shares, seed / 139968), 3)]


def knucleotide(n):
    sequence = "".join(dna(n))
    for size in (1, 2, 4, 6):
        counts = defaultdict(int)
        for start in range(len(sequence) - size + 1):
            counts[sequence[start : start + size]] += 1
        best = min(counts.items(), key=lambda item: (-item[1], item[0]))
        yield size, best, len(counts)


class Task:
    def __init__(self, name, work):
        self.name, self.inbox, self.work, self.done = name, deque(), work, 0

    def run(self):
        while True:
            packet = yield
            self.done += packet
            for _ in range(self.work):
                packet = (packet * 31 + len(self.name)) % 1009
            self.inbox.append(packet)


def scheduler(turns):
    tasks = [Task(name, work) for name, work in (("idle", 3), ("worker", 9), ("device", 5))]
    running = {task.name: task.run() for task in tasks}
    for coroutine in running.values():
        next(coroutine)
    for turn in range(turns):
        task = tasks[turn % len(tasks)]
        running[task.name].send(task.inbox.popleft() if task.inbox else turn)
    return reduce(lambda total, task: total * 7 + task.done, tasks, 1)


BENCHES = {
    "nbody": lambda n: nbody(22000 * n),
    "spectral": lambda n: spectral(110 * n),
    "fannkuch": lambda n: fannkuch(8),
    "mandelbrot": lambda n: mandelbrot(150 * n),
    "knucleotide": lambda n: list(knucleotide(300000 * n)),
    "scheduler": lambda n: scheduler(200000 * n),
}


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("benches", nargs="*", default=sorted(BENCHES))
    parser.add_argument("--scale", type=int, default=2)
    options = parser.parse_args(argv)
    for name in options.benches:
        print(name, BENCHES[name](options.scale), flush=True)


if __name__ == "__main__":
    sys.exit(main())
