"""A program that ends with an uncaught exception, after commit points inside the frames of its traceback."""

import atexit

from points import point

atexit.register(lambda: print("atexit 1"))


def leaf(n):
    point()
    if n == 2:
        atexit.register(print, "atexit", n)
        point()
        raise LookupError(f"no {n}")
    return n


def branch():
    for n in range(5):
        try:
            print("branch", leaf(n))
        finally:
            print("finally", n)


try:
    branch()
except LookupError as error:
    point()
    raise SystemError("ends here") from error
