#!/usr/bin/env python3
"""Measures what was promised in figures, prints figure and bar side by side, exits 1 where one is missed.

    python stress/bars.py [--python PATH]

import: `import forkpoint` under 150 ms, without numpy or torch. start: `forkpoint run` adds under 0.4 s. stop: with a
100 MB numpy state that is shared the program stands still at most 1.5 times a bare fork of the same process plus 5 ms,
however long the child takes. staged: where that state is copied aside instead, since the program rewrites it, the stop
and what the next rewriting takes longer are together at most twice a memcpy of it; shared they are printed beside.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "crash"))

from harness import Bench, Program, tail

TIMES = 7

STOPS = """
import json, os, subprocess, sys, time
import numpy as np
import forkpoint

state = np.random.default_rng(0).random(100_000_000 // 8)
copy = state.copy()
forks, outside, copies, usual, after = [], [], [], [], []
for _ in range(9):
    for times, action in ((copies, lambda: np.copyto(copy, state)), (usual, lambda: np.add(state, 1.0, out=state))):
        action()
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1e3)
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    forks.append((time.perf_counter() - began) * 1e3)
    os.waitpid(pid, 0)
    state += 1.0
    began = time.perf_counter()
    taken = forkpoint.checkpoint()
    outside.append((time.perf_counter() - began) * 1e3)
    began = time.perf_counter()
    state += 1.0
    after.append((time.perf_counter() - began) * 1e3)
    taken.wait()
figures = {"forks": forks, "outside": outside, "copies": copies, "usual": usual, "after": after}
print(json.dumps({**figures, "durable": taken.durable}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bars.") as scratch:
        return (
            0
            if all(
                [
                    imports(options.python, Path(scratch)),
                    starts(options.python, Path(scratch)),
                    stops(options.python, Path(scratch), "stop", every="3600"),
                    stops(options.python, Path(scratch), "stop, others between", every="0.2"),
                    stops(options.python, Path(scratch), "stop, child held 1 s", every="3600", held="1"),
                    rewrites(options.python, Path(scratch)),
                ]
            )
            else 1
        )


def bench(python: str, scratch: Path, name: str, code: str) -> Bench:
    source = scratch / f"{name} source"
    source.mkdir()
    (source / "program.py").write_text(code)
    return Bench(Program(name, ("program.py",), source), scratch / name, python, automatic=True)


def say(name: str, figure: float, bar: float, note: str = "") -> bool:
    good = figure <= bar
    print(f"{name:<24} {figure:>8.1f} ms  bar {bar:>7.1f} ms  {'ok' if good else 'MISSED'}  {note}", flush=True)
    return good


def least(action: Callable[[], object]) -> float:
    """The shortest of several, in ms: what the work takes, not what the machine adds."""
    spent = []
    for _ in range(TIMES):
        began = time.perf_counter()
        action()
        spent.append((time.perf_counter() - began) * 1e3)
    return min(spent)


def imports(python: str, scratch: Path) -> bool:
    here = bench(python, scratch, "import", "")
    here.call(["-c", "import forkpoint"])
    added = least(lambda: here.call(["-c", "import forkpoint"])) - least(lambda: here.call(["-c", "pass"]))
    loaded = here.call(["-c", "import sys, forkpoint; print({'numpy', 'torch'} & set(sys.modules))"]).out
    return say("import forkpoint", added, 150) and loaded == b"set()\n"


def starts(python: str, scratch: Path) -> bool:
    here = bench(python, scratch, "start", "print('on')")
    here.run()
    added = least(lambda: here.run("--resume", "never")) - least(lambda: here.call(here.program.command))
    return say("forkpoint run adds", added, 400)


def stops(python: str, scratch: Path, name: str, *, every: str, held: str = "0") -> bool:
    """The stop against a bare fork right before it: while a child lives, any fork is slower."""
    if subprocess.run([python, "-c", "import numpy"], capture_output=True, check=False).returncode:
        print(f"{name:<24} not measured: numpy missing")
        return False
    here = bench(python, scratch, name, STOPS)
    fault = {"FORKPOINT_FAULT": f"child.started:sleep={held}"} if held != "0" else {}
    ran = here.run("--every", every, "--max-staging-bytes", "0", env=fault)
    if ran.status:
        print(f"{name:<24} failed: {tail(ran.err)}")
        return False
    facts = json.loads(ran.out)
    points = [here.json("show", p["id"]) for p in here.json("log")["runs"][0]["points"] if p["trigger"] == "explicit"]
    stop, fork = (statistics.median(times) for times in ([p["stop_ms"] for p in points], facts["forks"]))
    split = {part: round(statistics.median(p["split_ms"][part] for p in points), 1) for part in points[0]["split_ms"]}
    note = f"bare fork {fork:.1f}, call from outside {statistics.median(facts['outside']):.1f}, split {split}"
    return say(name, stop, 1.5 * fork + 5, note) and facts["durable"]


def rewrites(python: str, scratch: Path) -> bool:
    """The stop and the slower step after it against a memcpy, with hot memory staged and without."""
    figures = []
    for name, staging in (("shared", ["--max-staging-bytes", "0"]), ("staged", [])):
        here = bench(python, scratch, name, STOPS)
        ran = here.run("--every", "3600", *staging)
        if ran.status:
            print(f"{name:<24} failed: {tail(ran.err)}")
            return False
        facts = {key: statistics.median(times[3:]) for key, times in json.loads(ran.out).items() if key != "durable"}
        figures.append((facts["outside"] + facts["after"] - facts["usual"], facts["copies"]))
    (shared, _), (staged, memcpy) = figures
    return say("stop + rewriting, staged", staged, 2 * memcpy, f"memcpy {memcpy:.1f}, shared {shared:.1f}")


if __name__ == "__main__":
    sys.exit(main())
