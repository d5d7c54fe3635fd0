"""Results kept in mapped files: numpy.memmap and mmap, one open throughout, others mapped for each round."""

import mmap

import numpy as np

grid = np.memmap("grid.dat", dtype="f8", mode="w+", shape=(256, 256))
window = grid[64:192, 64:192]
with open("counters.bin", "wb") as file:
    file.write(bytes(4096))
counters_file = open("counters.bin", "r+b")
counters = mmap.mmap(counters_file.fileno(), 0)

rng = np.random.default_rng(3)
for step in range(6000):
    grid[step % 256] += rng.normal(size=256)
    window *= 0.999
    counters[step % 4096] = (counters[step % 4096] + step) % 256
    if step % 50 == 0:
        history = np.memmap("history.dat", dtype="f8", mode="r+" if step else "w+", shape=(120,))
        history[step // 50] = grid.sum()
        del history
    for _ in range(24):
        rng.normal(size=2000).sort()
    if step % 1000 == 999:
        grid.flush()
        print(step, grid.sum(), counters[: 6].hex(), window.base is grid, flush=True)
counters.close()
counters_file.close()
print(np.fromfile("history.dat")[::20])
