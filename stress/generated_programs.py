#!/usr/bin/env python3
"""Programs made up by a seed, killed at some of their commit points one after the other, against runs never killed.

    python stress/generated_programs.py [--programs 50] [--seed 1] [--points 8] [--python PATH] [--keep DIR]
        [--with numpy --with torch ...] [--plant BUG]

Each program (stress/generated/) is control flow, calls and expressions one inside the other over a choice of values. A
commit comes at every so manyth of its ticks, wherever that is; it dies there, is restored, and dies again at the next
one, to its end. Exit status 0: every output is that of the run without forkpoint. A point that forkpoint refused, with
its reason, is counted and no failure. `--keep` leaves the programs that failed in DIR.
"""

from __future__ import annotations

import argparse
import collections
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from fed import ROOT, Plant

sys.path.insert(0, str(ROOT / "tests" / "crash"))

from generated.grammar import program
from harness import Bench, Finding, Program, Ran, Verdict, chain, tail

GOOD = (Verdict.PASS, Verdict.REFUSED)
PLANTS = {
    "groupby": Plant("encode/itertool.py", "if len(held) == 3:", "if not held:"),
    "vars": Plant("encode/library.py", "    if state is shared:\n", "    if not state:\n"),
    "waiting": Plant("encode/files.py", "        obj.seek(start)\n", "        pass\n"),
}


def killed(seed: int, scratch: Path, options: argparse.Namespace) -> Finding:
    """One program from nothing to its end. Raises `ValueError` where it is not a fit one."""
    source = scratch / "source"
    source.mkdir(parents=True)
    (source / "program.py").write_text(program(seed, options.libraries))
    shutil.copy(ROOT / "tests" / "crash" / "programs" / "points.py", source)
    bench = Bench(Program(f"seed {seed}", ("program.py",), source), scratch / "bench", options.python)
    if options.plant:
        bench.env |= PLANTS[options.plant].sow(scratch)
    first, oracle = _oracle(bench), _oracle(bench)
    if first.out != oracle.out or b"SyntaxError" in oracle.err:
        raise ValueError(f"seed {seed} is no program that does the same twice\n{tail(oracle.err)}")
    ticks = len(re.findall(rb"^tick ", oracle.out, re.MULTILINE))
    bench.env["STRIDE"] = str(max(1, ticks // options.points))
    return chain(bench, oracle, ticks + 1)


def _oracle(bench: Bench) -> Ran:
    bench.fresh()
    return bench.oracle()


def soak(options: argparse.Namespace) -> int:
    """How many programs failed."""
    count: collections.Counter[Verdict] = collections.Counter()
    reasons: collections.Counter[str] = collections.Counter()
    began = time.monotonic()
    for seed in range(options.seed, options.seed + options.programs):
        with tempfile.TemporaryDirectory(prefix="generated.") as scratch:
            found = killed(seed, Path(scratch), options)
            count[found.verdict] += 1
            if found.verdict is Verdict.REFUSED:
                reasons[found.detail] += 1
            if found.verdict not in GOOD:
                print(f"seed {seed}: {found}")
                if options.keep:
                    shutil.copytree(scratch, options.keep / str(seed), dirs_exist_ok=True)
    print(
        ", ".join(f"{number} {verdict}" for verdict, number in count.items()) + f" in {time.monotonic() - began:.0f} s"
    )
    for reason, number in reasons.most_common(9):
        print(f"  {number} {reason}")
    return sum(number for verdict, number in count.items() if verdict not in GOOD)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="the number of the first program")
    parser.add_argument("--points", type=int, default=8, help="of each program, about")
    parser.add_argument("--python", default=sys.executable, help="interpreter under test")
    parser.add_argument("--with", dest="libraries", action="append", default=[], help="a library they may use")
    parser.add_argument("--plant", choices=PLANTS, help="with this bug in the product: must fail")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave what failed there")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return 1 if soak(parser.parse_args()) else 0


if __name__ == "__main__":
    sys.exit(main())
