"""What one checkpoint takes from a program in all: blocks of steps with one and without, in turns, in one process.

    python stress/bench/blocks.py [--workload W1 ...] [--iterations 10] [--seconds 2] [--pairs 20] [--json FILE]

A block is so many iterations, and at least two seconds, on one thread. One of each pair begins with
`forkpoint.checkpoint()`; which, is changing. The difference between the two is all that a point costs the program,
however it comes about: the stop, the pages that are copied later, what the child takes from caches, memory and cores.
Machines drift by more than a checkpoint costs within seconds, so that whole runs one after the other (overhead.py) tell
small differences only when there are very many. The interval is that of the mean, +-2 standard errors.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from question import Found, Question, scratch
from workloads import WORKLOADS

WARMING = 4


def serve(name: str, iterations: int, pairs: int, seconds: float) -> None:
    """In the directory of one workload: print what was measured."""
    import forkpoint

    work = WORKLOADS[name]()
    for _ in range(3):
        work.step()
    began = time.perf_counter()
    for _ in range(3):
        work.step()
    step = (time.perf_counter() - began) / 3
    count = max(iterations, int(seconds / step) + 1)
    durable: list[bool] = []

    def block(*, kept: bool) -> float:
        began = time.perf_counter()
        point = forkpoint.checkpoint() if kept else None
        for _ in range(count):
            work.step()
        took = time.perf_counter() - began
        if point is not None:
            durable.append(point.wait())
        return took

    for _ in range(WARMING):
        block(kept=True)
    durable.clear()
    plain, covered = [], []
    for pair in range(pairs):
        for kept in (pair % 2 == 0, pair % 2 == 1):
            (covered if kept else plain).append(block(kept=kept))
    print(json.dumps({"count": count, "plain": plain, "covered": covered, "durable": sum(durable)}))


def measure(name: str, options: argparse.Namespace) -> Found:
    """One workload."""
    numbers = [str(number) for number in (options.iterations, options.pairs, options.seconds)]
    with scratch("blocks") as place:
        command = [sys.executable, __file__, "--serve", name, *numbers]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: Found = json.loads(done.stdout.splitlines()[-1])
    costs = [with_it - without for with_it, without in zip(found["covered"], found["plain"], strict=True)]
    found["step"] = statistics.median(found["plain"]) / found["count"]
    found["cost"] = statistics.mean(costs)
    found["error"] = 2 * statistics.stdev(costs) / len(costs) ** 0.5
    return found


def rows(found: Found) -> list[list[str]]:
    cost, step, error = found["cost"], found["step"], found["error"]
    shares = f"{100 * cost / (10 * step):.1f}", f"{100 * cost:.1f}"
    return [[f"{1e3 * step:.0f}", f"{1e3 * cost:.0f} +- {1e3 * error:.0f}", *shares, f"{found['durable']}"]]


QUESTION = Question(
    name="blocks",
    about=__doc__,
    heads=("step, ms", "a point, ms", "every 10 steps, %", "one a second, %", "durable"),
    measure=measure,
    rows=rows,
    bars=lambda found: {"a point": 1e3 * found["cost"]},
    unit="what a point takes in all, ms",
    workloads=["W1", "W3", "small", "W8"],
    options={
        "iterations": {"type": int, "default": 10},
        "seconds": {"type": float, "default": 2.0},
        "pairs": {"type": int, "default": 20},
    },
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        workload, steps, times, least = sys.argv[2:]
        serve(workload, int(steps), int(times), float(least))
    else:
        QUESTION.main()
