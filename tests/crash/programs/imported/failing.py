"""Raises after a point."""

from points import point


def divide(number):
    return 1 / number


for number in (1, 0):
    point()
    divide(number)
