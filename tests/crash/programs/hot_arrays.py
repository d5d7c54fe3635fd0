"""Arrays that are rewritten between all commits, right after each too; one that is not, one that comes and goes."""

import mmap
import zlib

import numpy as np

from points import point

rng = np.random.default_rng(4)
weights = [rng.standard_normal(size) for size in (9_000, 40_000, 130_000)]
moments = [np.zeros_like(array) for array in weights]
window = weights[2][1:-1:3]
cold = rng.integers(0, 1000, 60_000)
pages = mmap.mmap(-1, 300_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
passing = None
for turn in range(7):
    for array, moment in zip(weights, moments):
        moment *= 0.9
        moment += 0.1 * array * array
        array += 0.01 * rng.standard_normal(array.size)
    pages[:] = rng.bytes(300_000)
    if turn % 2:
        passing = rng.standard_normal(20_000 + 5_000 * turn)
    point()
    print(turn, [zlib.crc32(array) for array in (*weights, *moments, cold, pages)], float(window.sum()))
    print(None if passing is None else zlib.crc32(passing), np.shares_memory(window, weights[2]))
    if turn % 3 == 2:
        passing = None
