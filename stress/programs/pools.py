"""Pools between stretches of work of its own: multiprocessing.Pool, ThreadPoolExecutor, subprocess.run, joblib with loky."""

import math
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from joblib import Parallel, delayed


def heavy(n):
    return math.fsum(math.sin(i) for i in range(n * 2000))


def main():
    total = 0.0
    for round_ in range(4):
        with multiprocessing.get_context("fork").Pool(2) as pool:
            total += sum(pool.map(heavy, range(8)))
        print("pool", round_, repr(total))
        for i in range(30):
            total += heavy(i)
        with ThreadPoolExecutor(2) as threads:
            total += sum(threads.map(heavy, range(8)))
        print("threads", round_, repr(total))
        done = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
        print("child", done.stdout.strip())
        for i in range(30):
            total -= heavy(i) / 2
    with ProcessPoolExecutor(2) as executor:
        for i, value in enumerate(executor.map(heavy, range(12))):
            total += value * i
            for j in range(5):
                total += heavy(j)
    print("executor", repr(total))
    for round_ in range(3):
        results = Parallel(n_jobs=2)(delayed(heavy)(i) for i in range(10))
        print("loky", round_, repr(sum(results)))
        for i in range(30):
            total += heavy(i)
    print("end", repr(total))


if __name__ == "__main__":
    main()
