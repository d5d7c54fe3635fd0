"""Sets a variable, then imports what looks at it while it is imported: a library, which is imported again."""

import os

os.environ["NUMPY_MADVISE_HUGEPAGE"] = "0"

from numpy._core.multiarray import _set_madvise_hugepage
from points import point

for step in range(3):
    point(step)
    was = _set_madvise_hugepage(True)
    _set_madvise_hugepage(was)
    print(step, was, os.environ["NUMPY_MADVISE_HUGEPAGE"])
