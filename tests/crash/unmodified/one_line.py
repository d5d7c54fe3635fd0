"""Loops and comprehensions written on one line, at module level and in functions, long enough to be killed inside."""

M = 2**31 - 1
s = 1
for i in range(2_700_000): s = (s * 31 + i) % M  # noqa: E701
print("one line", s)
while s % 1_000_003: s = (s * 48271) % M  # noqa: E701
print("while", s)


def f(i):
    return (i * i) % 97


def work(n):
    table = [f(i) for i in range(n)]
    pairs = {k: f(k) for k in range(n // 4)}
    total = 0
    for i, t in enumerate(table): total += i * t if t % 2 else -t  # noqa: E701
    return total, len(pairs), max(pairs.values())


for k in range(20): print(k, work(120_000), s)  # noqa: E701
nested = [[(a * b) % 7 for a in range(300)] for b in range(1500)]
print("nested", sum(map(sum, nested)))
