#!/usr/bin/env python3
"""A thousand commits of one program: nothing is left of them, and it sees nothing of them.

    python stress/nothing_left.py [--python PATH] [--commits 1000] [--plant BUG]

The program prints without flushing, calls os.wait() while a child is at work, counts SIGCHLD, and uses os.fork,
subprocess and multiprocessing in between. Holds: no zombie, descriptor, thread or mapping is more than before, no file
in TMPDIR, no pack and no lease but those of restore points that are kept; its memory does not grow, by the slope of a
line through what is given out, and through what is resident where there are commits enough for that; os.wait() finds
no child, no SIGCHLD comes; what is forked works as ever and commits nothing; standard output is that of a run without
forkpoint, to the byte.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from fed import ROOT, Broken, Plant, table

sys.path.insert(0, str(ROOT / "tests" / "crash"))

import harness
from harness import Bench, Program, first_difference, tail

PLANTS = {
    "descriptor": Plant("snapshot/reaper.py", "            os.close(self._pidfd)\n", "            pass\n"),
    "zombie": Plant(
        "snapshot/reaper.py", "os.WEXITED | os.WNOHANG | _WALL", "os.WEXITED | os.WNOHANG | _WALL | os.WNOWAIT"
    ),
    "memory": Plant(
        "engine.py",
        "            self.totals.points += 1\n",
        "            self.totals.points += 1\n            self._told.add('x' * 4000 + str(self.totals.points))\n",
    ),
    "signal": Plant(
        "snapshot/reaper.py",
        "        _living.remove(self)\n",
        "        _living.remove(self)\n        os.kill(os.getpid(), signal.SIGCHLD)\n",
    ),
    "file": Plant(
        "snapshot/child.py",
        "        answer = body(side)\n",
        "        __import__('tempfile').mkstemp()\n        answer = body(side)\n",
    ),
}

GROWTH_MAX = {"bytes of malloc": 128.0, "blocks of pymalloc": 1.5, "resident bytes": 868.0}
"""A commit, by the slope, beyond what the program grows by without forkpoint."""

RESIDENT_COMMITS = 500
"""As many smooth what is resident: it grows by arenas of up to 1 MB, 14,000 bytes a commit of 60 that leave nothing."""

MAPPINGS_OF_MALLOC = 16

KEEP = 2


def thousand(scratch: Path, options: argparse.Namespace) -> str:
    """The whole run. Raises `Broken`; returns what was counted."""
    temporary = scratch / "tmp"
    temporary.mkdir()
    env = {"TMPDIR": str(temporary), "FOUND": str(scratch / "found.json")}
    if options.plant:
        env |= PLANTS[options.plant].sow(scratch)
    program = Program(
        "thousand",
        ("thousand.py", str(options.commits), str(options.commits // 5)),
        ROOT / "stress" / "load_programs",
        env=env,
    )
    bench = Bench(program, scratch / "bench", options.python)
    harness.LIMIT_SECONDS = options.limit
    oracle = bench.oracle()
    usual = growth(json.loads((scratch / "found.json").read_text()))
    ran = bench.run("--every", "3600", "--keep-last", str(KEEP))
    if ran.status != oracle.status:
        raise Broken(f"the program ended with {ran.status}\n{tail(ran.err)}")
    if ran.out != oracle.out:
        raise Broken(f"another output: {first_difference(oracle.out, ran.out)}")
    if ran.files != oracle.files:
        raise Broken(f"other files: {sorted({*ran.files} ^ {*oracle.files})}")
    found = json.loads((scratch / "found.json").read_text())
    for what in ("signals", "strays", "broken", "failed"):
        if found[what]:
            raise Broken(f"{what}: {found[what]}\n{tail(ran.err)}")
    found["after"]["maps"] -= MAPPINGS_OF_MALLOC
    more = {
        name: (found["before"][name], count) for name, count in found["after"].items() if count > found["before"][name]
    }
    if more:
        raise Broken(f"more than before: {more}")
    grown = {what: more - usual[what] for what, more in growth(found).items()}
    if options.commits < RESIDENT_COMMITS:
        del grown["resident bytes"]
    for what, more in grown.items():
        if more > GROWTH_MAX[what]:
            raise Broken(f"{more:+.1f} {what} a commit: {found['sizes'][::20]}")
    if left := os.listdir(temporary):
        raise Broken(f"left behind: {left[:5]}")
    told = ", ".join(f"{more:+.1f} {what}" for what, more in grown.items())
    return f"{told} a commit; {in_the_store(bench, options.commits)}; {found['after']}"


def growth(found: dict[str, Any]) -> dict[str, float]:
    """By how much each turn adds to what `GROWTH_MAX` bounds."""
    turns, resident, malloc, pymalloc = zip(*found["sizes"], strict=True)
    columns = (malloc, pymalloc, resident)
    return {
        what: statistics.linear_regression(turns, column).slope
        for what, column in zip(GROWTH_MAX, columns, strict=True)
    }


def in_the_store(bench: Bench, commits: int) -> str:
    """What lies in the store when the program is over. Raises `Broken` where it is more than the points kept need."""
    if bench.ask("verify").status:
        raise Broken("the store does not verify")
    (run,) = bench.json("log")["runs"]
    newest = max(point["seq"] for point in run["points"])
    if newest != commits:
        raise Broken(f"{commits} commits were asked for, {newest} taken: somebody else commits too")
    files = [str(path.relative_to(bench.store)) for path in sorted(bench.store.rglob("*")) if path.is_file()]
    return f"{len(run['points'])} restore points kept, files {files}"


def main() -> int:
    options = parse()
    version = subprocess.run([options.python, "-V"], capture_output=True, text=True, check=False).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="nothing_left.") as scratch:
        return table([(version, partial(thousand, Path(scratch), options))])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter under test")
    parser.add_argument("--commits", type=int, default=1000)
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds after which the program is said to hang")
    parser.add_argument("--plant", choices=PLANTS, help="with this bug in the product: must fail")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
