"""How long a killed program takes to be back in its loop: forkpoint restore, and what it could do by itself.

    python stress/bench/restore.py [--workload W1 ...] [--pairs 7] [--json FILE]

Each workload is run until it has a restore point and a pickle of the same state, and killed. Then, in turns, medians,
in s, from the start of a process to the end of its first step: `forkpoint restore`, and a program that imports what
had been imported, loads the pickle and copies the state into place. A torch program has to build its model for that to
copy into: `building` is told, and left out of `by pickle` (a program could load the modules whole).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from question import HERE, Found, Question, scratch

SAVING = """
import os, pickle, signal, sys, time
sys.path.insert(0, {here!r})
from workloads import WORKLOADS
work = WORKLOADS[{name!r}]()
for _ in range(3):
    work.step()
with open({pickled!r}, "wb") as file:
    pickle.dump([name for name in sys.modules if name != "__main__"], file, 5)
    pickle.dump(work.state(), file, 5)
import forkpoint
point = forkpoint.checkpoint(wait=True)
work.step()
if point.restored:
    print(time.clock_gettime(time.CLOCK_MONOTONIC), flush=True)  # time.monotonic() goes on from where it was
elif not point.durable:
    sys.exit(point.reason)
os.kill(os.getpid(), signal.SIGKILL)
"""
LOADING = """
import time
marks = [("imports", time.monotonic())]
def mark(name):
    marks.append((name, time.monotonic()))
import contextlib, importlib, json, pickle, sys
sys.path.insert(0, {here!r})
file = open({pickled!r}, "rb")
for name in pickle.load(file):
    with contextlib.suppress(Exception):
        importlib.import_module(name)
from workloads import WORKLOADS
kind = WORKLOADS[{name!r}]
mark("building")
work = kind() if kind.trained else kind.__new__(kind)
mark("loading")
state = pickle.load(file)
mark("copying")
work.adopt(state)
mark("first step")
work.step()
mark("end")
print(json.dumps(marks))
"""
PARTS = ("start", "imports", "building", "loading", "copying", "first step")


def measure(name: str, options: argparse.Namespace) -> Found:
    """Paired restores of one workload."""
    whole, plain = [], []
    with scratch("restore") as place:
        directory = Path(place)
        texts = {"here": str(HERE), "name": name, "pickled": str(directory / "state.pickle")}
        for program, text in (("saving.py", SAVING), ("loading.py", LOADING)):
            (directory / program).write_text(text.format(**texts))
        ended = run(directory, "saving.py")[1]
        if ended.returncode != -9:
            raise RuntimeError(f"{name} could not be saved: {ended.stderr.strip()[-300:]}")
        for pair in range(options.pairs + 1):
            began, restored = run(directory, "-m", "forkpoint", "restore", "-q")
            again = float(restored.stdout) - began
            parts = of_parts(*run(directory, "loading.py"))
            if pair:  # the first pair warms up
                whole.append(again)
                plain.append(parts)
    medians = {part: statistics.median(one[part] for one in plain) for part in PARTS}
    by_pickle = statistics.median(sum(one.values()) - one["building"] for one in plain)
    seconds = statistics.median(whole)
    found = {"whole": whole, "plain": plain, "parts": medians, "forkpoint": seconds, "pickle": by_pickle}
    return {**found, "ratio": seconds / by_pickle}


def run(directory: Path, *words: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """When the process began, and how it ended."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    command = [sys.executable, *words]
    return began, subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def of_parts(began: float, ended: subprocess.CompletedProcess[str]) -> dict[str, float]:
    """Seconds of each part of what a program does by itself."""
    assert ended.returncode == 0, ended.stderr
    names, times = zip(*[("start", began), *json.loads(ended.stdout)], strict=True)
    return {name: after - before for name, before, after in zip(names, times, times[1:], strict=False)}


def rows(found: Found) -> list[list[str]]:
    seconds = [found["forkpoint"], found["pickle"], *(found["parts"][part] for part in PARTS)]
    return [[f"{found['ratio']:.2f}", *(f"{one:.2f}" for one in seconds)]]


QUESTION = Question(
    name="restore",
    about=__doc__,
    heads=("ratio", "forkpoint", "by pickle", *PARTS),
    measure=measure,
    rows=rows,
    bars=lambda found: {"forkpoint restore": found["forkpoint"], "pickle": found["pickle"]},
    unit="start to first step, s",
    workloads=["W1", "small", "W8", "W10"],
    options={"pairs": {"type": int, "default": 7}},
)

if __name__ == "__main__":
    QUESTION.main()
