"""Recursive generators: tree walk, permutations, hanoi, a chain of filters that grows while it runs."""

from points import point


class Tree:
    def __init__(self, key):
        self.key = key
        self.left = self.right = None

    def insert(self, key):
        side = "left" if key < self.key else "right"
        below = getattr(self, side)
        if below is None:
            setattr(self, side, Tree(key))
        else:
            below.insert(key)

    def __iter__(self):
        if self.left:
            yield from self.left
        if self.key in (4, 9):
            point()
        yield self.key
        if self.right:
            yield from self.right


def permutations(items):
    if not items:
        yield ()
    for i, item in enumerate(items):
        for rest in permutations(items[:i] + items[i + 1 :]):
            if (item,) + rest == (2, 1):
                point()
            yield (item, *rest)


def hanoi(n, a, b, c):
    if n == 0:
        return 0
    moves = yield from hanoi(n - 1, a, c, b)
    if n == 2:
        point()
    yield a, c
    return moves + 1 + (yield from hanoi(n - 1, b, a, c))


def sieve(source):
    prime = next(source)
    yield prime
    if prime == 5:
        point()
    yield from sieve(n for n in source if n % prime)


def naturals():
    n = 2
    while True:
        yield n
        n += 1


root = Tree(6)
for key in (3, 9, 1, 4, 8, 11):
    root.insert(key)
for key in root:
    print("key", key)
for order in permutations([1, 2, 3]):
    print(order)
for move in hanoi(3, "a", "b", "c"):
    print("move", *move)
primes = sieve(naturals())
for prime in primes:
    print("prime", prime)
    if prime > 20:
        break
point()
print(next(primes))
