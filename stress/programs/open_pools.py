"""Pools that stay open through a whole program: Pool with an initializer, ThreadPool, ProcessPoolExecutor."""

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.pool import ThreadPool

table = {}
SCALE = 3


def prepare(limit):
    table.update({n: n * n for n in range(limit)})


def look(n):
    return table[n % len(table)] * SCALE


def power_sum(n, power=2):
    return sum(i**power for i in range(n)) % 10007


class Model:
    def __init__(self):
        self.weight = 1.5

    def score(self, x):
        return round(self.weight * x, 6)


def wave(n):
    x = 0.0
    for i in range(n):
        x = math.sin(x + i)
    return x


def main():
    model, kept, total = Model(), [], 0.0
    threads, executor = ThreadPool(2), ProcessPoolExecutor(2)
    with multiprocessing.Pool(3, prepare, (50,)) as pool:
        for number in range(40):
            total += sum(pool.map(look, range(number, number + 12)))
            total += sum(pool.starmap(power_sum, [(100 + number, 2), (50, 3)]))
            kept.append(pool.apply_async(power_sum, (number * 3,), {"power": 3}))
            kept[-1].wait()
            total += sum(pool.imap(model.score, range(5), chunksize=2))
            total += sum(pool.imap_unordered(partial(power_sum, power=1), range(5)))
            total += sum(threads.map(wave, [50, 60])) + sum(executor.map(power_sum, [10, 20, number]))
            total += executor.submit(power_sum, 30).result() + wave(500_000)
            model.weight += 0.01
            if number % 8 == 0:
                print(number, repr(total), [result.get() for result in kept[-3:]], flush=True)
    executor.shutdown()
    print(repr(total), len(kept))


if __name__ == "__main__":
    main()
