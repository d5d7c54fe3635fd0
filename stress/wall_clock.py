#!/usr/bin/env python3
"""The wall clock jumps two hours back and ten years ahead between and during commits (row 17). Needs a C compiler.

    python stress/wall_clock.py [--python PATH] [--plant BUG] [KIND ...]

A preloaded library (wall_clock.c) moves the wall clock of every process and leaves the monotonic one alone, as a wrong
NTP answer or `date -s` does; under libfaketime 0.9.10 time.sleep fails with EINVAL. Holds: the numbers of the restore
points follow the order they were taken in; commits go on at their pace; what retention, `forget` and `restore` take for
the newest is the newest; `log` lists them in that order, with the times the clock had; the output is that of a run
without forkpoint. Exit status 77 without a compiler.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from fed import Broken, Fed, Plant, parse, table

PLANTS = {
    "retention": Plant(
        "journal/retention.py",
        'sorted(points, key=lambda row: row["number"], reverse=True)',
        'sorted(points, key=lambda row: row["created_at"], reverse=True)',
    ),
    "pace": Plant("autosave.py", "import time\n", "import time as _time\n\nclass time:\n    monotonic = _time.time\n"),
}

BACK, AHEAD = -2 * 3600, 3650 * 86400
KINDS = {"back": (BACK,), "ahead": (AHEAD,), "ahead and back": (AHEAD, BACK), "to and fro": (BACK, AHEAD)}
KEEP = 3


class Clock:
    """The wall clock of all processes that were started with `environment`."""

    def __init__(self, scratch: Path, library: Path) -> None:
        self._file = scratch / "clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "WALL_CLOCK": str(self._file),
        }

    def set(self, seconds: int) -> None:
        whole = self._file.with_suffix(".new")
        whole.write_text(str(seconds))
        whole.rename(self._file)

    def flip(self, offsets: tuple[int, ...], stop: threading.Event) -> None:
        """Another time every few milliseconds: in whatever a commit is doing."""
        for offset in itertools.cycle(offsets):
            self.set(offset)
            if stop.wait(0.03):
                return


def one(kind: str, scratch: Path, options: argparse.Namespace) -> str:
    """One run of the program, killed and restored under the wrong clock. Raises `Broken`; returns what was counted."""
    scratch.mkdir()
    env = PLANTS[options.plant].sow(scratch) if options.plant else {}
    with ExitStack() as later:
        clock = Clock(scratch, options.library)
        fed = Fed(scratch / "bench", options.python, scratch / "store", env | clock.environment, (10, 100, 10, 10))
        later.callback(fed.stop)
        oracle = fed.oracle()
        fed.start(fed.bench.run_argv("--every", "0.2", "--keep-last", str(KEEP)))
        fed.feed(1)
        fed.wait_for_points(2)
        jumps = KINDS[kind]
        if kind == "to and fro":
            stop = threading.Event()
            flips = threading.Thread(target=clock.flip, args=(jumps, stop))
            flips.start()
            later.callback(flips.join)
            later.callback(stop.set)
            jumps = ()
            in_order(fed, 4)
        for jump in jumps:
            clock.set(jump)
            in_order(fed, KEEP + 1)
        fed.feed(2)
        fed.wait_for_batch(2)
        fed.wait_for_points(1, [point["id"] for point in fed.points()])
        fed.kill()
        newest = fed.points()[0]
        fed.restore()
        if newest["id"][:12].encode() not in wait_for_words(fed):
            raise Broken(f"not restored from the newest, {newest['id'][:12]}\n{fed.ran().err.decode()}")
        fed.feed(3)
        in_order(fed, 2)
        fed.end(oracle)
        if fed.failures():
            raise Broken(f"commits failed: {fed.failures()[:2]}")
        points = in_order(fed, 0)
        fed.ask("log")
        fed.ask("verify")
        before = points[0]["seq"]
        fed.ask("forget", "--keep-last", "1")
        left = [point["seq"] for point in fed.points()]
        if left != [before]:
            raise Broken(f"forget left {left}, the newest was {before}")
    times = sorted(when(point) for point in points)
    return f"newest {before}, listed {len(points)}, taken from {times[0]:%Y-%m-%d %H:%M} to {times[-1]:%Y-%m-%d %H:%M}"


def wait_for_words(fed: Fed) -> bytes:
    """What the restored program says first: from where."""
    fed.until("the restored program", lambda: b"restore point" in fed.ran().err)
    return fed.ran().err


def in_order(fed: Fed, more: int) -> list[dict[str, object]]:
    """Wait for so many new points; the newest are listed first, and retention has kept them."""
    before = fed.points()
    newest = before[0]["seq"]
    fed.until(f"{more} more restore points", lambda: fed.points()[0]["seq"] >= newest + more)
    points = fed.points()
    numbers = [point["seq"] for point in points]
    if numbers != sorted(numbers, reverse=True):
        raise Broken(f"listed as {numbers}")
    if numbers[:KEEP] != list(range(numbers[0], numbers[0] - KEEP, -1)):
        raise Broken(f"of the newest {KEEP} some are gone: {numbers}")
    return points


def when(point: dict[str, object]) -> datetime:
    return datetime.fromisoformat(str(point["created_at"])).astimezone(UTC)


def main() -> int:
    options = parse(__doc__, KINDS, PLANTS)
    compiler = shutil.which("cc")
    if compiler is None:
        print("there is no C compiler: not run", file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory(prefix="wall_clock.") as scratch:
        options.library = Path(scratch) / "wall_clock.so"
        source = Path(__file__).with_suffix(".c")
        subprocess.run([compiler, "-O", "-shared", "-fPIC", "-o", options.library, source], check=True)
        return table((kind, partial(one, kind, Path(scratch) / kind, options)) for kind in options.kinds or KINDS)


if __name__ == "__main__":
    sys.exit(main())
