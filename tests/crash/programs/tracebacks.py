"""Tracebacks right after a restore: names, lines and source text of frames that lived before it and of new ones."""

import sys
import traceback

from points import point


def show(error):
    for entry in traceback.extract_tb(error.__traceback__):
        print("  ", entry.name, entry.lineno, entry.line)


def fails(n):
    point()
    raise ValueError(f"deep {n}")


def caller(n):
    return fails(n) + 1


def generated(n):
    yield n
    point()
    raise KeyError(n)


def through_generator():
    for value in generated(5):
        print("value", value)


class Layer:
    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        point()
        return x / 0


for function in (lambda: caller(1), through_generator, lambda: Layer()(3)):
    try:
        function()
    except Exception as error:
        print(type(error).__name__, error)
        show(error)


def chain():
    try:
        caller(2)
    except ValueError as error:
        point()
        raise RuntimeError("second") from error


try:
    chain()
except RuntimeError as error:
    kept = error
point()
show(kept)
show(kept.__cause__)
print("".join(traceback.format_exception(kept)).replace(sys.path[0], "DIR"))


def stack_text():
    point()
    return [(f.name, f.lineno, f.line) for f in traceback.extract_stack() if f.filename == __file__]


print(stack_text())


def reraised():
    try:
        caller(3)
    except ValueError:
        point()
        raise


try:
    reraised()
except ValueError as error:
    show(error)
