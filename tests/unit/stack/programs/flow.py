"""Exceptions in flight, finally, with, generators inside of it all; tracebacks and frames right after a checkpoint."""

import contextlib
import sys
import traceback

from ckapi import checkpoint


def nested(n):
    try:
        try:
            1 / n
        except ZeroDivisionError as error:
            checkpoint()
            print("handling", type(error).__name__, sys.exc_info()[0].__name__)
            try:
                {}["a"]
            except KeyError:
                checkpoint()
                print("inner", sys.exc_info()[0].__name__, repr(sys.exc_info()[1].__context__))
            raise
        finally:
            checkpoint()
            print("finally", sys.exc_info()[0])
    except ArithmeticError as error:
        raise RuntimeError("from") from error


def values():
    for n in (1, 0):
        try:
            nested(n)
        except RuntimeError as error:
            checkpoint()
            print(repr(error), repr(error.__cause__))
            yield from inside()
            print("still", sys.exc_info()[0])
    return "done"


def inside():
    try:
        raise IndexError("inside")
    except IndexError:
        checkpoint()
        yield 1
        print("after", sys.exc_info()[0])
    yield 2


@contextlib.contextmanager
def swallow():
    try:
        yield
    except LookupError as error:
        checkpoint()
        print("swallowed", repr(error))


def deeper():
    checkpoint()
    print([frame.name for frame in traceback.extract_stack()][-3:], sys._getframe(1).f_code.co_name)
    raise ValueError("deep")


def main():
    try:
        raise OSError("outer")
    except OSError:
        for value in values():
            print(value, sys.exc_info()[0])
        checkpoint()
        print(sys.exc_info()[0])
    with swallow():
        raise KeyError("x")
    try:
        deeper()
    except ValueError:
        print([(each.name, each.lineno) for each in traceback.extract_tb(sys.exc_info()[2])])
    while True:
        try:
            if checkpoint():
                break
        finally:
            print("leaving the loop", sys.exc_info())


main()
