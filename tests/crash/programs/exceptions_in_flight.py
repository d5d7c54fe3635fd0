"""try/except/else/finally with exceptions in flight: sys.exc_info, context, cause, re-raise, nested handlers."""

import sys

from points import point


def current():
    kind = sys.exc_info()[0]
    return kind and kind.__name__


def inner(n):
    try:
        try:
            1 / n
        except ZeroDivisionError:
            point()
            print("handling", current())
            try:
                {}["a"]
            except KeyError:
                point()
                print("handling", current(), repr(sys.exc_info()[1].__context__))
            print("back to", current())
            raise
        finally:
            point()
            print("finally", current())
    except ArithmeticError as error:
        print("outer", error, current())
        raise RuntimeError("wrapped") from error
    else:
        print("else", n)


def generator():
    for n in (1, 0):
        try:
            inner(n)
        except RuntimeError as error:
            point()
            print("generator", repr(error), repr(error.__cause__))
            yield from handler()
            print("still", current())
    print("none", current())


def handler():
    print("in handler", current())
    try:
        raise IndexError("h")
    except IndexError:
        point()
        yield 1
        print("after", current())
    yield 2


try:
    raise OSError("base")
except OSError:
    for value in generator():
        print(value, current())
    point()
    print(current())
print(sys.exc_info())

saved = []
for i in range(3):
    try:
        try:
            raise ValueError(i)
        except ValueError as error:
            saved.append(error)
            if i == 1:
                point()
            raise LookupError(i) from None
    except LookupError as error:
        print(repr(error), error.__cause__, repr(error.__context__), error.__suppress_context__)
        error.add_note(f"note {i}")
        saved.append(error)
point()
print([(repr(e), getattr(e, "__notes__", None), e.__traceback__.tb_lineno) for e in saved])
print(saved[1].__context__ is saved[0])
