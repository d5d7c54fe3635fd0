"""How long a fork of ours stops a program, against a bare os.fork of the same process.

    python stress/bench/stop.py [--megabytes 100] [--pairs 15]

Interleaved pairs in one process that holds that much numpy data, freshly written before each fork; medians. The bar:
ours within 1.5 times the bare fork plus 5 ms. Exit status 1 when it is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np

from forkpoint.report import Report
from forkpoint.snapshot import forker, reaper

ALLOWED_RATIO = 1.5
ALLOWED_MS = 5.0


def bare_ms() -> float:
    """One os.fork() whose child ends at once."""
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    stopped = time.perf_counter() - began
    os.waitpid(pid, 0)
    return 1000 * stopped


def ours_ms(state: np.ndarray) -> float:
    """One fork of ours whose child reads all the state, as a commit does."""
    began = time.perf_counter()
    handle = forker.fork(lambda side: Report("K", message=str(float(state.sum()))), deadline_seconds=60)
    stopped = time.perf_counter() - began
    report = handle.wait()
    assert report is not None and report.status == "K", report
    while not handle.gone:
        reaper.collect()
    return 1000 * stopped


def main() -> int:
    """Measure and say; 0 when the bar is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=15)
    options = parser.parse_args()
    state = np.random.default_rng(0).random(options.megabytes << 17)
    bare, ours = [], []
    for pair in range(options.pairs + 1):
        state += 1.0
        first = bare_ms()
        state += 1.0
        second = ours_ms(state)
        if pair:  # The first pair warms up.
            bare.append(first)
            ours.append(second)
    median_bare, median_ours = statistics.median(bare), statistics.median(ours)
    bar = ALLOWED_RATIO * median_bare + ALLOWED_MS
    print(
        f"{options.megabytes} MB, {options.pairs} pairs: bare {median_bare:.2f} ms, ours {median_ours:.2f} ms "
        f"(worst {max(ours):.2f}), ratio {median_ours / median_bare:.2f}, bar {bar:.2f} ms"
    )
    return 0 if median_ours <= bar else 1


if __name__ == "__main__":
    sys.exit(main())
