"""What a checkpoint costs: each method beside the others, on each workload.

    python stress/bench/cost.py [--workload W1 ...] [--method forkpoint ...] [--json FILE]

One process per method, all alive at once and taking turns, so that whatever the machine does meets all of them. The
first points of each warm up. Times in ms, medians: `stop` is the call, `slowed` what the next step takes more than
one without a checkpoint, both again as CPU time of the main thread, `durable` from the beginning of the call, `bytes`
of one point.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from methods import METHODS
from workloads import WORKLOADS

WARMING = 4
PLAIN_STEPS = 3
COLUMNS = ("stop", "stop_worst", "slowed", "stop_cpu", "slowed_cpu", "step", "durable")
USED = {
    "W1": list(METHODS),
    "W4": ["none", "memcpy", "forkpoint", "fork", "torch.save"],
    "W7": ["none", "forkpoint", "fork", "pickle"],
    "W8": ["none", "forkpoint", "fork", "pickle"],
    "W9": ["none", "memcpy", "forkpoint", "forkpoint-unstaged", "fork", "pickle"],
    "dense": ["none", "memcpy", "forkpoint", "forkpoint-unstaged", "fork", "pickle"],
}


def serve(workload: str, method: str) -> None:
    """The process of one method: a line on stdin asks for one point, a line of JSON answers."""
    os.environ["OMP_NUM_THREADS"] = "1"
    work = WORKLOADS[workload]()
    work.step()
    way = METHODS[method](work)
    plain = [spent(work.step) for _ in range(PLAIN_STEPS)]
    answer = sys.stdout
    while sys.stdin.readline():
        if not work.sparse:
            plain = [spent(work.step) for _ in range(PLAIN_STEPS)]
        print(json.dumps(turn(work, way, plain)), file=answer, flush=True)


def turn(work: Any, way: Any, plain: list[tuple[float, float]]) -> dict[str, float]:
    """One point and the step after it; `plain` are steps without a checkpoint, taken just before where they do not
    change how much a point has to write.
    """
    began = time.perf_counter()
    stop, stop_cpu = spent(way.take)
    step, step_cpu = spent(work.step)
    way.wait()
    done = time.perf_counter()
    usual, usual_cpu = (statistics.median(column) for column in zip(*plain, strict=True))
    return {
        "stop": stop,
        "slowed": step - usual,
        "stop_cpu": stop_cpu,
        "slowed_cpu": step_cpu - usual_cpu,
        "step": usual,
        "durable": 1e3 * (done - began),
        "bytes": way.written,
    }


def spent(action: Callable[[], object]) -> tuple[float, float]:
    """Time and CPU time of the main thread, in ms: the second hardly depends on what else the machine does."""
    began, began_cpu = time.perf_counter(), time.thread_time()
    action()
    return 1e3 * (time.perf_counter() - began), 1e3 * (time.thread_time() - began_cpu)


def measure(workload: str, methods: list[str]) -> dict[str, list[dict[str, float]]]:
    """The points of each method, taken in turns."""
    found: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    with tempfile.TemporaryDirectory(prefix="cost.", dir=os.environ.get("FORKPOINT_BENCH_DIR")) as scratch:
        servers = {method: begin(Path(scratch) / method, workload, method) for method in methods}
        try:
            for _ in range(WORKLOADS[workload].points):
                for name, server in servers.items():
                    assert server.stdin is not None and server.stdout is not None
                    server.stdin.write("go\n")
                    server.stdin.flush()
                    found[name].append(json.loads(server.stdout.readline()))
        finally:
            for server in servers.values():
                server.communicate()
        for method in methods:
            if method.startswith("forkpoint"):
                split(Path(scratch) / method, found[method])
    return found


def begin(directory: Path, workload: str, method: str) -> subprocess.Popen[str]:
    directory.mkdir()
    command = [sys.executable, __file__, "--serve", workload, method]
    return subprocess.Popen(command, cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def split(directory: Path, points: list[dict[str, float]]) -> None:
    """Where the stop went, as the restore points that were kept say."""
    shown = [sys.executable, "-m", "forkpoint", "log", "--json"]
    log = json.loads(subprocess.run(shown, cwd=directory, capture_output=True, text=True, check=True).stdout)
    for point, kept in zip(reversed(points), log["runs"][0]["points"], strict=False):
        shown = [sys.executable, "-m", "forkpoint", "show", kept["id"], "--json"]
        whole = json.loads(subprocess.run(shown, cwd=directory, capture_output=True, text=True, check=True).stdout)
        point.update({f"stop.{part}": ms for part, ms in whole["split_ms"].items()})


def summary(points: list[dict[str, float]]) -> dict[str, float]:
    """Medians over the points after the warming ones; the worst stop stands for p99."""
    used = points[WARMING:]
    names = {name for point in used for name in point}
    found = {name: statistics.median([point[name] for point in used if name in point]) for name in names}
    return {**found, "stop_worst": max(point["stop"] for point in used), "first_durable": points[0]["durable"]}


def table(workload: str, found: dict[str, dict[str, float]]) -> None:
    print(f"\n{workload}: {WORKLOADS[workload].__doc__}")
    print(f"{'':<20}{'stop':>9}{'worst':>9}{'slowed':>9}{'cpu':>9}{'cpu':>9}{'step':>9}{'durable':>9}{'bytes':>14}")
    for method, figures in found.items():
        columns = [figures[name] for name in COLUMNS]
        parts = "  ".join(f"{name[5:]} {ms:.1f}" for name, ms in sorted(figures.items()) if name.startswith("stop."))
        print(f"{method:<20}" + "".join(f"{ms:>9.1f}" for ms in columns) + f"{figures['bytes']:>14,.0f}  {parts}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--method", nargs="+", choices=METHODS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", nargs=2)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
        return
    whole = {}
    for workload in options.workload:
        methods = [method for method in USED[workload] if options.method is None or method in options.method]
        points = measure(workload, methods)
        whole[workload] = {"points": points, "medians": {name: summary(taken) for name, taken in points.items()}}
        table(workload, whole[workload]["medians"])
    if options.json:
        options.json.write_text(json.dumps(whole, indent=1))


if __name__ == "__main__":
    main()
