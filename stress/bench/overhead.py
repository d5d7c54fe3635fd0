"""How much longer a program takes: with restore points and without, in turns.

    python stress/bench/overhead.py [--workload W1 ...] [--every 1 | auto | 10it] [--seconds 20] [--pairs 3]
                                    [--threads 1] [--json FILE]

Each workload does the same number of steps plainly and with restore points, in pairs that begin with one and the other
in turn: under `forkpoint run --every SECONDS`, or with its defaults (`auto`), or by an explicit `checkpoint()` after
every so many iterations (`10it`). The time is that of the steps alone, told by the program: starting up is no overhead
of checkpoints. A figure counts only with the durable points beside it: at least 80 % of those asked for (`auto` asks
for as many as it thinks right).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from question import HERE, Found, Question, scratch

PROGRAM = """
import sys, time
sys.path.insert(0, {here!r})
from workloads import WORKLOADS
work = WORKLOADS[{name!r}]()
work.step()
steps, seconds = {steps!r}, {seconds!r}
began = time.perf_counter()
done = 0
while done < steps if steps else time.perf_counter() - began < seconds:
    work.step()
    done += 1
    if {iterations!r} and done % {iterations!r} == 0:
        import forkpoint
        forkpoint.checkpoint()
print(done, time.perf_counter() - began)
"""


def run(directory: Path, threads: int, store: str, command: list[str]) -> tuple[int, float]:
    """(steps, seconds) of one run."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "FORKPOINT_STORE": str(directory / store)}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=True)
    steps, seconds = done.stdout.split()[-2:]
    return int(steps), float(seconds)


def durable(directory: Path, store: str) -> int:
    """How many points the last run took."""
    shown = [sys.executable, "-m", "forkpoint", "log", "--json", "--store", store]
    log = json.loads(subprocess.run(shown, cwd=directory, capture_output=True, text=True, check=True).stdout)
    return max((point["seq"] for run in log["runs"] for point in run["points"]), default=0)


def measure(name: str, options: argparse.Namespace) -> Found:
    """Paired runs of one workload."""
    every, seconds, threads = options.every, options.seconds, options.threads
    with scratch("overhead") as place:
        directory = Path(place)
        iterations = int(every.removesuffix("it")) if every.endswith("it") else 0

        def program(steps: int, iterations: int) -> str:
            text = PROGRAM.format(here=str(HERE), name=name, steps=steps, seconds=seconds, iterations=iterations)
            path = directory / f"program-{steps}-{iterations}.py"
            path.write_text(text)
            return str(path)

        steps, took = run(directory, threads, "none", [sys.executable, program(0, 0)])
        asked = steps // iterations if iterations else 0 if every == "auto" else int(took / float(every))
        words = [] if every == "auto" else ["--every", every]
        without = [sys.executable, program(steps, 0)]
        if iterations:
            command = [sys.executable, program(steps, iterations)]
        else:
            command = [sys.executable, "-m", "forkpoint", "run", *words, program(steps, 0)]
        plain, covered, points = [], [], []
        for pair in range(options.pairs):
            for kept in (pair % 2 == 0, pair % 2 == 1):
                if kept:
                    covered.append(run(directory, threads, f"store{pair}", command)[1])
                    points.append(durable(directory, f"store{pair}"))
                else:
                    plain.append(run(directory, threads, "none", without)[1])
    ratios = [100 * (long / short - 1) for long, short in zip(covered, plain, strict=True)]
    figures = {"steps": steps, "plain": plain, "covered": covered, "points": points, "asked": asked}
    return {**figures, "overheads": ratios, "every": every, "threads": threads}


def rows(found: Found) -> list[list[str]]:
    pairs = ", ".join(f"{ratio:.1f}" for ratio in found["overheads"])
    points = ", ".join(map(str, found["points"]))
    how = f"{found['every']}, {found['threads']} thread{'s' if found['threads'] > 1 else ''}"
    plain = f"{statistics.median(found['plain']):.1f}"
    return [[how, f"{statistics.median(found['overheads']):.1f}", pairs, plain, points, str(found["asked"] or "-")]]


QUESTION = Question(
    name="overhead",
    about=__doc__,
    heads=("every", "overhead, %", "of pairs", "plain, s", "points", "asked"),
    measure=measure,
    rows=rows,
    bars=lambda found: {rows(found)[0][0]: statistics.median(found["overheads"])},
    unit="overhead, %",
    workloads=["W1", "W3", "small", "W8"],
    options={
        "every": {"default": "1"},
        "seconds": {"type": float, "default": 20.0},
        "pairs": {"type": int, "default": 3},
        "threads": {"type": int, "default": 1},
    },
)

if __name__ == "__main__":
    QUESTION.main()
