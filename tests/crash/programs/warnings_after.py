"""Warnings right after a restore: stacklevel finds the caller, the once-per-place registry and filters are kept."""

import warnings

from points import point


def shown(message, category, filename, lineno, file=None, line=None):
    print("shown", category.__name__, message, filename == __file__, lineno)


warnings.showwarning = shown
warnings.simplefilter("default")


def deprecated(level):
    point()
    warnings.warn(f"level {level}", DeprecationWarning, stacklevel=level)


def outer(level):
    deprecated(level)


outer(1)
outer(2)
outer(3)
for i in range(3):
    warnings.warn("in a loop")
    if i == 0:
        point()

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    warnings.warn("first")
    point()
    warnings.warn("second", RuntimeWarning)
    outer(2)
print([(str(w.message), w.category.__name__, w.lineno) for w in caught])
warnings.filterwarnings("error", category=UserWarning)
point()
try:
    warnings.warn("now an error")
except UserWarning as error:
    print("raised", error)
print(len(warnings.filters) > 1, sorted(k[0] if isinstance(k, tuple) else k for k in __warningregistry__))
