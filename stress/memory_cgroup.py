#!/usr/bin/env python3
"""A memory cgroup too small for program and copies: the kernel kills the child, never the program (row 12). Needs root.

    python stress/memory_cgroup.py [--python PATH] [--commits 8] [--plant BUG]

The program rewrites all of its memory while a child that holds the old state lives, so that both together pass the
group's limit. Holds: the program ends with the output it has without forkpoint; each commit whose child was killed is
said to be missing; with room again a commit is durable and the store sound. Exit status 77 where no memory cgroup can
be made.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from fed import ROOT, Broken, Plant, table

sys.path.insert(0, str(ROOT / "tests" / "crash"))

from harness import Bench, Program, first_difference, tail

CANNOT = 77
EMPTY_SECONDS = 30.0
PLANTS = {
    "spared": Plant(
        "snapshot/child.py",
        "        answer = body(side)\n",
        "        open('/proc/self/oom_score_adj', 'w').write('0')\n        answer = body(side)\n",
    ),
    "silent": Plant("engine.py", "            say(message)\n", "            pass\n"),
}

STATE_MIB, LIMIT_MIB = 128, 208

HUNGRY = """
import json, os, sys, time
import forkpoint

commits, state_mib = int(sys.argv[1]), int(sys.argv[2])
if "GROUP" in os.environ:
    with open(os.environ["GROUP"] + "/cgroup.procs", "w") as procs:
        procs.write(str(os.getpid()))
state = [bytearray(1 << 20) for _ in range(state_mib)]
durable = 0
for n in range(commits):
    point = forkpoint.checkpoint()
    time.sleep(0.2)
    for piece in state:
        piece[:] = bytes([n + 1]) * len(piece)
    durable += point.wait()
    print("commit", n, sum(piece[n] for piece in state))
del state[8:]
last = forkpoint.checkpoint("small again", wait=True).durable
with open(os.environ["FOUND"], "w") as found:
    json.dump({"durable": durable, "last": last}, found)
"""


@contextmanager
def group(limit: int) -> Iterator[Path]:
    """A memory cgroup of our own, of version 2 or 1. Raises OSError where there is none to be had."""
    two = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    path = Path("/sys/fs/cgroup" if two else "/sys/fs/cgroup/memory") / f"forkpoint-{os.getpid()}"
    path.mkdir()
    try:
        (path / ("memory.max" if two else "memory.limit_in_bytes")).write_text(str(limit))
        with suppress(OSError):
            (path / "memory.swap.max" if two else path / "memory.swappiness").write_text("0")
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    """Once it is empty: what the kernel has killed takes a moment to go, and a child may outlive its program."""
    until = time.monotonic() + EMPTY_SECONDS
    while True:
        try:
            return path.rmdir()
        except OSError as problem:
            if problem.errno != errno.EBUSY or time.monotonic() > until:
                raise
            time.sleep(0.05)


def killed(scratch: Path, options: argparse.Namespace) -> str:
    """The whole run. Raises `Broken`; returns what was counted."""
    source = scratch / "source"
    source.mkdir(parents=True)
    (source / "program.py").write_text(HUNGRY)
    env = {"FOUND": str(scratch / "found.json"), "FORKPOINT_FAULT": "child.encoded:sleep=0.5"}
    if options.plant:
        env |= PLANTS[options.plant].sow(scratch)
    words = ("program.py", str(options.commits), str(STATE_MIB))
    bench = Bench(Program("program", words, source, env=env), scratch / "bench", options.python)
    oracle = bench.oracle()
    with group(LIMIT_MIB << 20) as path:
        ran = bench.run("--every", "3600", "--max-staging-bytes", "0", env={"GROUP": str(path)})
    if (ran.status, ran.out) != (oracle.status, oracle.out):
        raise Broken(f"exit {ran.status}, {first_difference(oracle.out, ran.out)}\n{tail(ran.err)}")
    found = json.loads((scratch / "found.json").read_text())
    said = ran.err.count(b" is missing: ")
    if not said or found["durable"] + said != options.commits:
        raise Broken(f"{found['durable']} of {options.commits} durable, {said} said to be missing\n{tail(ran.err)}")
    if not found["last"] or bench.ask("verify").status:
        raise Broken(f"with room again: durable {found['last']}\n{tail(ran.err)}")
    return f"{said} children killed and said, {found['durable']} durable, then one with room"


def main() -> int:
    options = parse()
    try:
        with group(LIMIT_MIB << 20):
            pass
    except OSError as problem:
        print(f"no memory cgroup can be made here: {problem}", file=sys.stderr)
        return CANNOT
    with tempfile.TemporaryDirectory(prefix="memory_cgroup.") as scratch:
        return table([(f"{STATE_MIB} MiB in {LIMIT_MIB}", partial(killed, Path(scratch), options))])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter under test")
    parser.add_argument("--commits", type=int, default=8)
    parser.add_argument("--plant", choices=PLANTS, help="with this bug in the product: must fail")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
