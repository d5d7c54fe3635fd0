"""joblib: processes that `with Parallel` keeps from one call to the next, and work of the program's own in between."""

import math

from joblib import Parallel, delayed


def heavy(n):
    return math.fsum(math.sin(i) for i in range(n * 1000))


total = 0.0
with Parallel(n_jobs=2, max_nbytes="10K") as parallel:
    for step in range(12):
        total += sum(parallel(delayed(heavy)(n) for n in range(4)))
        for n in range(80):
            total -= heavy(n % 20) / 2
        print(step, repr(total))
print("end", repr(sum(Parallel(n_jobs=2)(delayed(heavy)(n) for n in range(3)))))
