"""Pure Python recursion far deeper than a C stack would carry, and how deep it may go afterwards."""

import sys

from ckapi import checkpoint


def down(n, total):
    mine = [n]
    if n == 0:
        checkpoint()
        return total
    return down(n - 1, total + n) + mine[0] - n


def limit(n):
    if n == 100:
        checkpoint()
    try:
        return limit(n + 1)
    except RecursionError:
        return n


print(limit(0))
sys.setrecursionlimit(30_000)
print(down(20_000, 0))
