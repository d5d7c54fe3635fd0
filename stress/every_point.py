#!/usr/bin/env python3
"""Restore the points that a timer took of real programs, wherever in their libraries they were (row 22).

    python stress/every_point.py [--points 20] [--every 0.15] [--seed N] [--python PATH] [PROGRAM ...]

Each program of programs/ runs unmodified to its end under `forkpoint run --every SECONDS`, which keeps every point,
again and again. So many points are restored then, those at places in the code not seen before first: what was printed
before it and what the restored process prints are the uninterrupted run's output, and so are the files in the end.
Exit status 0: they are, for every point of every program. kill_loop.py finds other faults; this finds more places.
"""

from __future__ import annotations

import argparse
import collections
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RUNS_MAX = 8
"""Some programs are over after two or three points; so often they are run for more."""

sys.path.insert(0, str(HERE.parent / "tests" / "crash"))

from harness import Bench, Finding, Program, Ran, Verdict, judge, tail  # noqa: E402
from kill_loop import NEEDS, VOLATILE, command, importable, parsed  # noqa: E402


def main() -> int:
    options = parse()
    scratch = Path(tempfile.mkdtemp(prefix="every_point."))
    verdicts: collections.Counter[Verdict] = collections.Counter()
    not_run = []
    for name in options.programs or sorted(NEEDS):
        if missing := [needed for needed in NEEDS[name] if not importable(options.python, needed)]:
            not_run.append(f"{name} ({', '.join(missing)} missing)")
            continue
        program = Program(name, command(name), HERE / "programs", volatile=VOLATILE)
        bench = Bench(program, scratch / name, options.python, automatic=True)
        findings, places = one_program(bench, options)
        verdicts.update(finding.verdict for finding in findings)
        print(f"{name}: {len(findings)} points at {places} places", flush=True)
        for finding in findings:
            if finding.verdict is not Verdict.PASS:
                print(f"{name}: {finding}", flush=True)
        if all(finding.verdict is Verdict.PASS for finding in findings):
            shutil.rmtree(bench.scratch)
    print(f"every {options.every} s, seed {options.seed}:", ", ".join(f"{n} {v}" for v, n in verdicts.items()))
    print("not run:", ", ".join(not_run) or "none")
    if set(verdicts) == {Verdict.PASS}:
        shutil.rmtree(scratch)
        return 0
    print(f"stores are kept in {scratch}")
    return 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20, help="restored of each program")
    parser.add_argument("--every", type=float, default=0.15, help="seconds between commits")
    return parsed(parser)


def one_program(bench: Bench, options: argparse.Namespace) -> tuple[list[Finding], int]:
    """What came of each point, of one uninterrupted run after the other; and at how many places they were taken."""
    oracle = bench.oracle()
    rng = random.Random(f"{options.seed} {bench.program.name}")
    findings: list[Finding] = []
    places: collections.Counter[str] = collections.Counter()
    for _ in range(RUNS_MAX):
        bench.fresh()
        whole = bench.run("--every", str(options.every), "--keep-last", "100000")
        finding = judge(oracle, whole.out, whole, "uninterrupted")
        if finding.verdict is not Verdict.PASS:
            return [*findings, finding], len(places)
        runs = bench.json("log")["runs"]  # none: it was over before the first point
        points = [point for run in runs for point in run["points"] if point["complete"]]
        for point in choose(points, options.points - len(findings), places, rng):
            findings.append(restored(bench, oracle, point))
        if len(findings) >= options.points:
            break
    return findings or [Finding(Verdict.REFUSED, "timer", tail(whole.err, 6))], len(places)


def choose(
    points: list[dict[str, Any]], count: int, seen: collections.Counter[str], rng: random.Random
) -> list[dict[str, Any]]:
    """So many of them at random, from places in the code that were seen least; counts them as seen."""
    rng.shuffle(points)
    chosen = []
    while points and len(chosen) < count:
        point = min(points, key=lambda point: seen[point["location"]])
        points.remove(point)
        seen[point["location"]] += 1
        chosen.append(point)
    return chosen


def restored(bench: Bench, oracle: Ran, point: dict[str, Any]) -> Finding:
    """What a restored process prints, after what had been printed at the point, is what the uninterrupted run did."""
    at = f"{point['id'][:12]} ({point['location']})"
    shown = bench.json("show", point["id"])
    ran = bench.restore(point["id"], "--force", "-q")
    return judge(oracle, oracle.out[: shown["stdout_bytes"]] + ran.out, ran, at)


if __name__ == "__main__":
    sys.exit(main())
