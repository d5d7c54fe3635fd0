#!/usr/bin/env python3
"""Hundreds of commits while the threads of native libraries are at work: the program never hangs (part of row 18).

    python stress/forks_under_load.py [--python PATH] [--forks 500] [--hangs 4] [--plant BUG]

OpenBLAS, OpenMP (scikit-learn), Arrow, Polars, torch and the workers of a DataLoader compute, and logging and imports
take their locks, while the main thread commits. Such a fork copies locks that another thread holds; `--hangs` commits
are made to wait for one. Holds: every library goes on and computes the same as before; each child that hangs is killed
and its restore point said to be missing; every other commit is durable; no call of `checkpoint` takes long; the store
verifies. What is not installed is named.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from fed import ROOT, Broken, Plant, table

sys.path.insert(0, str(ROOT / "tests" / "crash"))

import harness
from harness import Bench, Program, tail

PLANTS = {
    "patience": Plant(
        "snapshot/hang.py", "        return now - self._since >= HANG_SECONDS\n", "        return False\n"
    ),
    "waits": Plant(
        "point.py", "        self._poll = poll\n", "        self._poll = poll\n        poll and poll(9.0)\n"
    ),
    "locks": Plant("snapshot/child.py", "        _free_locks_of_other_threads()\n", "        pass\n"),
    "silent": Plant("engine.py", "            say(message)\n", "            pass\n"),
}

QUICK = Plant("limits.py", "HANG_SECONDS: Final = 20.0", "HANG_SECONDS: Final = 2.0")
"""Not a bug: for a short run, a child is said to hang sooner."""

STOP_SECONDS_MAX = 2.0
"""A call of `checkpoint` takes some 10 ms; this long only where it waits for what it must not wait for."""

HUNG_BY_CHANCE_MAX = 0.02
"""Of the commits, those whose child may hang on a lock nobody planned: of malloc, of a library."""

LOADS = ROOT / "stress" / "load_programs"


def forks(scratch: Path, options: argparse.Namespace) -> str:
    """The whole run. Raises `Broken`; returns what was counted."""
    env = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    if options.quick:
        env |= QUICK.sow(scratch)
    if options.plant:
        env |= PLANTS[options.plant].sow(scratch)
    program = Program("busy", ("busy.py", str(options.forks), str(options.hangs)), LOADS, env=env)
    bench = Bench(program, scratch / "bench", options.python)
    harness.LIMIT_SECONDS = options.limit
    ran = bench.run("--every", "3600", "--ignore-threads", "load-*")
    if ran.status or not ran.out:
        raise Broken(f"the program ended with {ran.status}\n{tail(ran.err)}")
    found = json.loads(ran.out)
    said = [line for line in ran.err.decode(errors="replace").splitlines() if " is missing: " in line]
    hung = [line for line in said if "hung on a lock" in line]
    by_chance = len(hung) - options.hangs
    others = {line for line in said if line not in hung} | set(found["refused"])
    if len(hung) != found["hung"] or by_chance < 0:
        raise Broken(f"{found['hung']} children hung, {len(hung)} are said to, {options.hangs} were made to")
    if others or found["durable"] + found["hung"] != options.forks:
        raise Broken(
            f"{found['durable']} of {options.forks} durable, {found['hung']} hung; others: {sorted(others)[:3]}"
        )
    if by_chance > max(1, HUNG_BY_CHANCE_MAX * options.forks):
        raise Broken(f"{by_chance} of {options.forks} children hung that nobody made to")
    if found["wrong"] or found["stuck"]:
        raise Broken(f"other results: {found['wrong']}; no more rounds: {found['stuck']}")
    if found["worst"] > STOP_SECONDS_MAX:
        raise Broken(f"a call of checkpoint() took {found['worst']:.1f} s")
    if bench.ask("verify").status:
        raise Broken("the store does not verify")
    missing = f"; not installed: {', '.join(found['missing'])}" if found["missing"] else ""
    return (
        f"{found['python']}: {found['durable']} durable, {options.hangs} made to hang and {by_chance} hung by chance, "
        f"all killed and said; stop median {1e3 * found['median']:.0f} ms, worst {1e3 * found['worst']:.0f} ms; "
        f"{found['rounds']} rounds of {', '.join(found['loads'])}{missing}"
    )


def main() -> int:
    options = parse()
    version = subprocess.run([options.python, "-V"], capture_output=True, text=True, check=False).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="forks_under_load.") as scratch:
        return table([(version, partial(forks, Path(scratch), options))])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter under test")
    parser.add_argument("--forks", type=int, default=500)
    parser.add_argument("--hangs", type=int, default=4, help="so many of them with a child that waits for a lock")
    parser.add_argument("--quick", action="store_true", help="a child is said to hang after 2 s, not 20")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds after which the program is said to hang")
    parser.add_argument("--plant", choices=PLANTS, help="with this bug in the product: must fail")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
