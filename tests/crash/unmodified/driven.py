"""Work done under sum(), max(key=), sorted(key=), dict(), any(), reduce(), enumerate(), zip(): as search loops are written."""

import functools
import itertools
import math


def train(n):
    weight, total = 0.5, 0.0
    for i in range(40000 + n % 7 * 3000):
        weight -= 0.01 * (weight - math.sin(n + i))
        total += weight * 0.1
    return total


def batches(count):
    for i in range(count):
        yield [train(i), train(i + 1)]


def score(candidate):
    return train(candidate) - candidate * 0.01


print(repr(sum(train(x) for x in range(30))))
print(max(range(20), key=score), min((score(x) for x in range(20)), default=None))
print(sorted(range(12), key=score), sorted((train(x) for x in range(9)), reverse=True)[:2])
population = list(range(14))
population.sort(key=score, reverse=True)
print(population)
print(dict((k, train(k)) for k in range(10))[9])
print(any(train(x) > 1e9 for x in range(9)), all(train(x) < 1e9 for x in range(9)))
print(functools.reduce(lambda a, b: a * 0.5 + train(b), range(15), 1.0))
print(",".join(f"{train(x):.9f}" for x in range(6)))
for i, batch in enumerate(batches(12)):
    if i % 4 == 0:
        print(i, sum(batch))
for a, b in zip(batches(8), itertools.islice(batches(20), 3, None)):
    total = sum(x * y for x, y in zip(a, b))
print(total, len({train(x) for x in range(10)}), len(set(train(x % 3) for x in range(10))))
best = max(itertools.product([1, 2, 3], [4, 5, 6]), key=lambda pair: train(pair[0] * pair[1]))
print(best, sum(map(train, range(20))), list(enumerate(map(train, range(5))))[-1])
