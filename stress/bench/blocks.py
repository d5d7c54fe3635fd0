"""What one checkpoint takes from a program in all: blocks of steps with one and without, in turns, in one process.

    OMP_NUM_THREADS=1 python stress/bench/blocks.py [--workload W1 ...] [--iterations 10] [--pairs 20] [--json FILE]

A block is so many iterations, and at least two seconds. One of each pair begins with `forkpoint.checkpoint()`; which,
is changing. The difference between the two is all that a point costs the program, however it comes about: the stop, the
pages that are copied later, what the child takes from caches, memory and cores. Machines drift by more than a
checkpoint costs within seconds, so that whole runs one after the other (overhead.py) tell small differences only when
there are very many. The interval is that of the mean, +-2 standard errors.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from workloads import WORKLOADS  # noqa: E402

BLOCK_SECONDS = 2.0
WARMING = 4


def serve(name: str, iterations: int, pairs: int) -> None:
    """In the directory of one workload: print what was measured."""
    import forkpoint

    work = WORKLOADS[name]()
    for _ in range(3):
        work.step()
    began = time.perf_counter()
    for _ in range(3):
        work.step()
    step = (time.perf_counter() - began) / 3
    count = max(iterations, int(BLOCK_SECONDS / step) + 1)
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


def measure(name: str, iterations: int, pairs: int) -> dict[str, Any]:
    """One workload."""
    with tempfile.TemporaryDirectory(prefix="blocks.", dir=os.environ.get("FORKPOINT_BENCH_DIR")) as scratch:
        command = [sys.executable, __file__, "--serve", name, str(iterations), str(pairs)]
        done = subprocess.run(command, cwd=scratch, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    costs = [with_it - without for with_it, without in zip(found["covered"], found["plain"], strict=True)]
    found["step"] = statistics.median(found["plain"]) / found["count"]
    found["cost"] = statistics.mean(costs)
    found["error"] = 2 * statistics.stdev(costs) / len(costs) ** 0.5
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", nargs="+", choices=WORKLOADS, default=["W1", "W3", "small", "W8"])
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", nargs=3)
    options = parser.parse_args()
    if options.serve:
        name, iterations, pairs = options.serve
        serve(name, int(iterations), int(pairs))
        return
    whole = {}
    print(f"{'':<8}{'step, ms':>10}{'a point, ms':>20}{'every 10 steps':>16}{'one a second':>14}{'durable':>10}")
    for name in options.workload:
        found = whole[name] = measure(name, options.iterations, options.pairs)
        cost, step = found["cost"], found["step"]
        interval = f"{1e3 * cost:.0f} +- {1e3 * found['error']:.0f}"
        print(
            f"{name:<8}{1e3 * step:>10.0f}{interval:>20}{100 * cost / (10 * step):>14.1f} %{100 * cost:>12.1f} %"
            f"{found['durable']:>10}"
        )
        sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(whole, indent=1))


if __name__ == "__main__":
    main()
