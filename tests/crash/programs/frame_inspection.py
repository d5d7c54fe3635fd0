"""What the program can see of its own stack: sys._getframe, inspect.stack, f_back chains, f_locals, line numbers."""

import inspect
import sys

from points import point


def names(depth=0):
    frame = sys._getframe(depth + 1)
    found = []
    while frame is not None and frame.f_code.co_filename == __file__:
        found.append((frame.f_code.co_name, frame.f_lineno))
        frame = frame.f_back
    return found


def bottom():
    point()
    found = names()
    print(found)
    return found


def middle(x):
    y = x * 2
    result = bottom()
    caller = sys._getframe(0)
    print(sorted(caller.f_locals), caller.f_back.f_code.co_name, caller.f_globals is globals())
    return y, len(result)


class Walker:
    def walk(self):
        point()
        stack = [f for f in inspect.stack(0) if f.filename == __file__]
        print([(f.function, f.lineno) for f in stack])
        here = inspect.currentframe()
        print(here.f_code.co_qualname, here.f_back.f_lineno, inspect.getargvalues(here).args)
        return self


def generator():
    yield names()
    point()
    yield names()


print(middle(3))
Walker().walk()
for found in generator():
    print("generator", found)
print("module", names(), sys._getframe().f_code.co_name, __name__)
suspended = generator()
next(suspended)
point()
print(suspended.gi_frame.f_lineno, suspended.gi_code.co_name, dict(suspended.gi_frame.f_locals), next(suspended))
