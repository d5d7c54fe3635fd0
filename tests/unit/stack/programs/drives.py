"""Builtins that draw from generators or ask functions, with checkpoints inside: what they knew comes back with the rest."""
from ckapi import checkpoint
import functools, itertools
def numbers(*values):
    for value in values:
        checkpoint()
        yield value
def ask(x):
    checkpoint()
    return (x * 7) % 5
class Reader:
    def __init__(self, n): self.n = n
    def __iter__(self): return self
    def __next__(self):
        checkpoint()
        if not self.n: raise StopIteration
        self.n -= 1
        return self.n
print(sum(numbers(1, 2, 3)), sum(numbers(1, 0.1, 0.2, 0.3, 1e17, 1, -1e17)), sum(numbers((1,), (2,)), (0,)))
print(sum(numbers(2**62, 2**62, 0.5, 0.1, 0.2), start=True), sum(ask(x) for x in numbers(3, 4, 5)))
print(max(numbers(3, 9, 4)), min((5, 3, 8), key=ask), max(numbers(4, 1, 2), key=ask, default=0), max([6, 2, 9, 4], key=ask))
print(sorted([5, 2, 8, 1], key=ask), sorted(numbers(3, 1, 2), key=ask, reverse=True), sorted(numbers(2, 1)))
print(tuple(numbers(1, 2)), set(numbers(3, 4, 3)), dict((k, ask(k)) for k in range(3)), ",".join(str(ask(x)) for x in range(3)))
print(any(ask(x) > 3 for x in range(4)), all(numbers(1, 1, 0, 1)), any(numbers(0, 0)))
print(functools.reduce(lambda a, b: a * 10 + ask(b), [1, 2, 3]), functools.reduce(ask_two := lambda a, b: ask(a - b), numbers(9, 4, 1), 2))
for i, x in enumerate(numbers("a", "b"), 5):
    checkpoint()
    print(i, x)
for a, b in zip(numbers(1, 2, 3), range(5)):
    print(a, b)
for i, (a, b) in enumerate(zip(itertools.islice(numbers(1, 2, 3, 4), 1, 3), "xyz")):
    print(i, a, b)
for x in itertools.chain(numbers(1), numbers(2, 3)):
    print(x)
for x in filter(None, numbers(0, 1, 0, 2)):
    print(x)
for i, x in enumerate(map(ask, [3, 4])):
    print(i, x)
for i, x in enumerate(Reader(2)):
    print(i, x)
for x in itertools.chain.from_iterable(numbers(i, i) for i in numbers(1, 2)):
    print(x)
for x in map(str, numbers(1, 2)):
    print(x)
print(list(enumerate(numbers(7, 8))), sum(map(ask, numbers(1, 2))), dict(enumerate(numbers(5))), list(zip(numbers(1, 2), "ab")))
print(max(enumerate(numbers(3, 1)), key=lambda pair: (ask(pair[1]), 0)))
try:
    dict(numbers((1, 2), (3, 4, 5)))
except ValueError as error:
    print(error)
def fails(x):
    checkpoint()
    raise StopIteration(x)
print(list(map(fails, [1, 2])), set(map(fails, [1])), sum(map(fails, [1])))
try:
    print(sorted([1, 2], key=fails))
except StopIteration as error:
    print("stop", error)
people = [5, 2, 9, 1]
people.sort(key=lambda x: (print(len(people)), ask(x))[1])
print(people, people.sort(key=ask, reverse=True), people)
def meddles(x):
    if x == 2:
        people.append(7)
    return ask(x)
try:
    people.sort(key=meddles)
except ValueError as error:
    print(error, people)
class Weight:
    def __init__(self, n): self.n = n
    def __add__(self, other): return Weight(self.n + other.n)
    def __radd__(self, other): return self
    def __lt__(self, other): return self.n < other.n
print(sum(Weight(x) for x in numbers(1, 2, 3)).n, min(Weight(ask(x)) for x in range(3)).n)
