"""Simulated annealing of tours, a backtracking solver by deep recursion, and the generators that feed both."""

import itertools
import math
import random
import sys
from contextlib import ExitStack, contextmanager
from functools import lru_cache

sys.setrecursionlimit(6000)
random.seed(20)


@contextmanager
def phase(name):
    print("begin", name, flush=True)
    try:
        yield name
    finally:
        print("end", name, flush=True)


def cities(n):
    for _ in range(n):
        yield random.random(), random.random()


def length(tour):
    return sum(math.dist(a, b) for a, b in itertools.pairwise(itertools.chain(tour, tour[:1])))


def temperatures(start, stop, ratio):
    t = start
    while t > stop:
        yield t
        t *= ratio


def neighbours(tour):
    while True:
        i, j = sorted(random.sample(range(len(tour)), 2))
        yield i, j, tour[:i] + tour[i : j + 1][::-1] + tour[j + 1 :]


def anneal(tour):
    cost = length(tour)
    for t in temperatures(1.0, 0.0005, 0.995):
        for i, j, candidate in itertools.islice(neighbours(tour), 120):
            change = length(candidate) - cost
            if change < 0 or random.random() < math.exp(-change / t):
                tour, cost = candidate, cost + change
                break
        yield t, cost, tour


@lru_cache(maxsize=None)
def partitions(n, largest):
    if n == 0:
        return 1
    return sum(partitions(n - k, k) for k in range(1, min(n, largest) + 1))


def depth_first(graph, node, seen, depth=0):
    seen.add(node)
    best = depth
    for other in graph[node]:
        if other not in seen:
            best = max(best, depth_first(graph, other, seen, depth + 1))
    return best


def queens(n, row=0, columns=frozenset(), diagonals=frozenset()):
    if row == n:
        yield ()
    for column in range(n):
        if column not in columns and not {("u", row + column), ("d", row - column)} & diagonals:
            marks = {("u", row + column), ("d", row - column)}
            for rest in queens(n, row + 1, columns | {column}, diagonals | marks):
                yield (column, *rest)


with ExitStack() as stack:
    stack.enter_context(phase("all"))
    for size in (40, 60):
        with phase(f"tour {size}"):
            for n, (t, cost, tour) in enumerate(anneal(list(cities(size)))):
                if n % 40 == 0:
                    print(n, repr(t), repr(cost))
            print(repr(length(tour)))
    with phase("partitions"):
        print(partitions(150, 150))
    with phase("depth first"):
        graph = {i: [(i + 1) % 3000, (i * 7 + 3) % 3000] for i in range(3000)}
        print([depth_first(graph, start, set()) for start in range(0, 60)][:8])
    with phase("queens"):
        print(sum(1 for _ in queens(8)), max(queens(8), key=lambda q: sum(i * c for i, c in enumerate(q))))
