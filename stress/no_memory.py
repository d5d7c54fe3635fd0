#!/usr/bin/env python3
"""Commits while memory runs out: allocations that fail in the program (row 12).

    python stress/no_memory.py [--python PATH] [--plant BUG] [--upto K]

With each k-th allocation of a commit failing in turn (_testcapi.set_nomemory), in the program as in its child: the
program goes on with the variables it has to have, the commit succeeds or its failure is said or raised, and the next
commit works. Then the same of automatic commits, of which nothing may be raised in the program.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from functools import partial
from pathlib import Path

from fed import ROOT, Broken, Plant, table

sys.path.insert(0, str(ROOT / "tests" / "crash"))

from harness import Bench, Program, tail

PLANTS = {
    "crash": Plant(
        "engine.py",
        "        point = home.new_id()\n",
        (
            "        try:\n            point = home.new_id()\n            bytes(1 << 20)\n"
            "        except MemoryError:\n            os.abort()\n"
        ),
    ),
}

ALLOCATIONS = """
import json, sys, traceback, _testcapi, forkpoint

first, last, step = map(int, sys.argv[1:])
forkpoint.checkpoint("before", wait=True)
counted = {}
state = [list(range(50)), {"a": 1.5}, "text"]
for k in range(first, last, step):
    taken = None
    _testcapi.set_nomemory(k, k + 1)
    try:
        taken = forkpoint.checkpoint()
        _testcapi.remove_mem_hooks()
        how = "durable" if taken.wait() else "said" if taken.reason else "silent"
    except BaseException as problem:
        _testcapi.remove_mem_hooks()
        how = f"raised {type(problem).__name__}"
        if not isinstance(problem, MemoryError):
            traceback.print_exc()
    finally:
        _testcapi.remove_mem_hooks()
    counted[how] = counted.get(how, 0) + 1
    state.append(k)
after = forkpoint.checkpoint("after", wait=True)
counted["after"] = after.durable
counted["state"] = len(state) == 3 + len(range(first, last, step)) and state[0] == list(range(50))
print(json.dumps(counted))
"""

AUTOMATIC = """
import itertools, json, sys, _testcapi, forkpoint

def spin(turns):
    for _ in turns:
        pass

first, last, step = map(int, sys.argv[1:])
forkpoint.checkpoint("before", wait=True)
counted = {"tried": 0}
state = [list(range(50)), {"a": 1.5}, "text"]
for k in range(first, last, step):
    turns = itertools.repeat(None, 4_000_000)
    _testcapi.set_nomemory(k, k + 1)
    try:
        spin(turns)  # allocates nothing itself: what does is the commit that begins meanwhile
        _testcapi.remove_mem_hooks()
        counted["tried"] += 1
    except BaseException as problem:
        _testcapi.remove_mem_hooks()
        raise SystemExit(f"raised in the program, allocation {k}: {problem!r}")
    state.append(k)
counted["after"] = forkpoint.checkpoint("after", wait=True).durable
counted["state"] = len(state) == 3 + len(range(first, last, step)) and state[0] == list(range(50))
print(json.dumps(counted))
"""


def allocations(scratch: Path, options: argparse.Namespace, first: int, *, automatic: bool = False) -> str:
    """The k-th allocation fails, for a stretch of k."""
    last = first + options.stretch
    code = AUTOMATIC if automatic else ALLOCATIONS
    bench = bench_of(code, scratch, options, (str(first), str(last), str(options.step)))
    ran = bench.run("--every", "0.05" if automatic else "3600")
    if ran.status or not ran.out:
        raise Broken(f"the program ended with {ran.status}\n{tail(ran.err)}")
    counted = json.loads(ran.out)
    if not counted.pop("after") or not counted.pop("state"):
        raise Broken(f"the commit after it failed, or its variables are others: {counted}\n{tail(ran.err)}")
    if counted.pop("silent", 0):
        raise Broken(f"a commit that failed gives no reason: {counted}")
    if bench.ask("verify").status:
        raise Broken("the store does not verify")
    said = ran.err.count(b"no automatic commit: MemoryError") + ran.err.count(b" is missing: ")
    noted = f", said {said} times" if automatic else ""
    return ", ".join(f"{how} {count}" for how, count in sorted(counted.items())) + noted


def bench_of(code: str, scratch: Path, options: argparse.Namespace, arguments: tuple[str, ...]) -> Bench:
    source = scratch / "source"
    source.mkdir(parents=True)
    (source / "program.py").write_text(code)
    env = PLANTS[options.plant].sow(scratch) if options.plant else {}
    return Bench(Program("program", ("program.py", *arguments), source, env=env), scratch / "bench", options.python)


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="no_memory.") as scratch:
        return table(
            (
                f"{'automatic' if automatic else 'allocations'} {first} on",
                partial(allocations, Path(scratch) / f"{first} {automatic}", options, first, automatic=automatic),
            )
            for automatic in (False, True)
            for first in range(1, options.upto, options.stretch)
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter under test")
    parser.add_argument("--plant", choices=PLANTS, help="with this bug in the product: must fail")
    parser.add_argument("--upto", type=int, default=1601, help="allocations to fail")
    parser.add_argument("--stretch", type=int, default=400, help="so many in one process")
    parser.add_argument("--step", type=int, default=1, help="each so many-th of them only")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
