"""Recursion: 2,500 frames deep, fibonacci, mutual recursion, and RecursionError still raised where it was."""

import sys

from points import point

sys.setrecursionlimit(3000)


def deep(n, total):
    here = [n]
    if n == 0:
        point()
        return total
    result = deep(n - 1, total + n)
    if n == 1200:
        point()
    return result + here[0] - n


def fibonacci(n):
    if n == 3:
        global threes
        threes += 1
        if threes == 4:
            point()
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def even(n):
    return True if n == 0 else odd(n - 1)


def odd(n):
    if n == 5:
        point()
    return False if n == 0 else even(n - 1)


def overflow(n):
    try:
        return overflow(n + 1)
    except RecursionError:
        return n


def ackermann(m, n):
    if (m, n) == (1, 3):
        global seen
        seen += 1
        if seen == 2:
            point()
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))


threes = seen = 0
print("deep", deep(2500, 0))
print("fibonacci", fibonacci(12), threes)
print("even", even(10), odd(7))
print("ackermann", ackermann(2, 3), seen)
point()
print("limit", sys.getrecursionlimit(), overflow(0) > 2000)
