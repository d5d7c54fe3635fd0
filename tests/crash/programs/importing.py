"""Loops that run while their module is imported: a package's, a module's below it, one by name, one that fails."""

import importlib
import sys
import traceback

from points import point


def later():
    from imported import below, counting

    return below.total + counting.total


import imported.classed as classed  # noqa: E402
import imported.counting as counting  # noqa: E402

print(counting.total, counting.__spec__.name, counting.__spec__._initializing, sys.modules["imported"].ready)
print(later(), later())
named = importlib.import_module("imported.named")
point()
print(named.total, named is sys.modules["imported.named"])
for _ in range(2):
    try:
        print(classed.count(), classed.twice, type(classed).__name__)
        import imported.failing
    except ZeroDivisionError:
        traceback.print_exc(file=sys.stdout)
    print("imported.failing" in sys.modules, hasattr(sys.modules["imported"], "failing"))
    point()
