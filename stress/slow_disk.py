#!/usr/bin/env python3
"""The disk of the store gets slow under a running program (row 18). Needs strace, and to be allowed to attach it.

    python stress/slow_disk.py [--python PATH] [--plant BUG] [KIND ...]

strace is attached to the program and delays every fsync and fdatasync of it and of its children. Holds: the program
never waits for the disk; commits go on, one at a time, each as long as the disk takes; one that is slower than a
child's deadline is killed and said, and once the disk is fast again commits succeed; a program that ends on such a disk
ends; one that is killed on it goes on from its newest durable point; the output is that of a run without forkpoint.
Exit status 77 where there is no strace, or it may not attach.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from fed import Broken, Fed, Plant, parse, table

PLANTS = {
    "waits": Plant("autosave.py", "        self._engine.poll()\n", "        self._engine.poll(None)\n"),
    "together": Plant("engine.py", "        return self._child is not None\n", "        return False\n"),
    "patience": Plant("engine.py", "deadline_seconds=limits.CHILD_DEADLINE_SECONDS", "deadline_seconds=1e6"),
    "end": Plant("engine.py", "self.poll(limits.END_WAIT_SECONDS)", "self.poll(None)"),
    "silent": Plant("engine.py", "            say(message)\n", "            pass\n"),
}
HASTY = Plant("limits.py", "CHILD_DEADLINE_SECONDS: Final = 600.0", "CHILD_DEADLINE_SECONDS: Final = 2.0")
"""No bug: the deadline that a disk of `LATE` seconds a sync passes."""

SLOW, LATE = 0.5, 5.0
"""Seconds that each sync takes. A commit makes some eight of them."""

PAUSE_MAX = 0.4
"""Seconds: far below one commit on either disk, far above what a busy machine does to a program."""

END_WAIT = 5.0
"""limits.END_WAIT_SECONDS: so long a program's end waits for a commit. Then it notes the end, which is two syncs."""

PAUSE = re.compile(rb"^longest pause ([0-9.]+) s$", re.MULTILINE)


class SlowDisk:
    """The disk of one program is slow within the `with`; meanwhile its children are counted."""

    def __init__(self, pid: int, seconds: float) -> None:
        self._pid = pid
        self._inject = f"fsync,fdatasync:delay_enter={int(seconds * 1e6)}"
        self._stop = threading.Event()
        self._counting = threading.Thread(target=self._count)
        self.together = 0
        """The most children of the program that there were at once."""

    def __enter__(self) -> SlowDisk:
        words = ["strace", "-f", "-o", os.devnull, "-e", "trace=fsync,fdatasync", "-e", f"inject={self._inject}"]
        self._strace = subprocess.Popen([*words, "-p", str(self._pid)], stderr=subprocess.PIPE)
        assert self._strace.stderr is not None
        said = self._strace.stderr.readline()
        if b"attached" not in said:
            self._strace.wait()
            raise FileNotFoundError(f"strace: {said.decode().strip()}")
        self.since = datetime.now(UTC)
        self._counting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._counting.join()
        self._strace.kill()  # the kernel lets go of all it was attached to; asked to end, it may wait for them for ever
        self._strace.communicate()

    def _count(self) -> None:
        while not self._stop.wait(0.05):
            self.together = max(self.together, children(self._pid))


def children(pid: int) -> int:
    """How many processes this one has forked that are there."""
    try:
        return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    except OSError:
        return 0


def killed(fed: Fed) -> str:
    """Killed on the slow disk, in the middle of a commit; restored on a fast one."""
    assert fed.started is not None
    known = [point["id"] for point in fed.points()]
    with SlowDisk(fed.started.process.pid, SLOW) as disk:
        fed.feed(2)
        fed.wait_for_batch(2)
        fed.wait_for_points(3, known)  # the first may have begun before
        fed.until("a commit", lambda: children(fed.started.process.pid) > 0)  # type: ignore[union-attr]
        pause = not_stopped(fed)
        fed.kill()
    slow = [point for point in fed.points() if when(point) > disk.since]
    one_at_a_time(slow, disk.together)
    newest = fed.points()[0]
    fed.restore()
    fed.until("the restored program", lambda: b"restore point" in fed.ran().err)
    if newest["id"][:12].encode() not in fed.ran().err:
        raise Broken(f"not restored from the newest, {newest['id'][:12]}\n{fed.ran().err.decode()}")
    fed.feed(3)
    fed.wait_for_batch(3)
    return f"{len(slow)} commits of up to {max(point['commit_ms'] for point in slow) / 1000:.1f} s, {pause}"


def late(fed: Fed) -> str:
    """Commits slower than the child's deadline."""
    assert fed.started is not None
    with SlowDisk(fed.started.process.pid, LATE) as disk:
        fed.feed(2)
        fed.wait_for_batch(2)
        fed.until("two commits killed and said", lambda: len(late_ones(fed)) > 1)
    said = late_ones(fed)
    one_at_a_time([], disk.together)
    fed.wait_for_points(2, [point["id"] for point in fed.points()])
    fed.feed(3)
    fed.wait_for_batch(3)
    return f"{len(said)} killed at the deadline and said, {not_stopped(fed)}"


def late_ones(fed: Fed) -> list[str]:
    return [line for line in fed.failures() if "killed at its deadline" in line]


def ends(fed: Fed) -> str:
    """The program ends while a commit is under way that will take long."""
    assert fed.started is not None
    with SlowDisk(fed.started.process.pid, LATE):
        fed.until("a commit", lambda: children(fed.started.process.pid) > 0)  # type: ignore[union-attr]
        for n in (2, 3, 4):
            fed.feed(n)
        fed.until("the last batch", lambda: b"batch4 " in fed.ran().out)
        began = time.monotonic()
        if not fed.started.wait(END_WAIT + 2 * LATE + 5.0):
            raise Broken(f"{time.monotonic() - began:.0f} s after its last line the program has not ended")
        took = time.monotonic() - began
    if b"still being written" not in fed.ran().err:
        raise Broken(f"that a commit was under way is not said\n{fed.ran().err.decode()}")
    return f"ended {took:.1f} s after its last line, {not_stopped(fed)}"


KINDS = {"killed": killed, "late": late, "ends": ends}


def not_stopped(fed: Fed) -> str:
    """Raise `Broken` where the program stood still; its longest pause in words."""
    longest = max(map(float, PAUSE.findall(fed.ran().err)))
    if longest > PAUSE_MAX:
        raise Broken(f"the program stood still for {longest:.2f} s")
    return f"longest pause of the program {1000 * longest:.0f} ms"


def one_at_a_time(points: list[dict[str, object]], together: int) -> None:
    """Each commit began after the one before had ended; `together` children were there at once."""
    if together > 2:  # the one before may still be forgetting old points: its commit is over
        raise Broken(f"{together} children at once")
    for later, earlier in itertools.pairwise(points):
        between = (when(later) - when(earlier)).total_seconds()
        if between < 2 * SLOW:
            raise Broken(f"a commit began {between:.2f} s after the one before, on a disk that takes longer for one")


def when(point: dict[str, object]) -> datetime:
    return datetime.fromisoformat(str(point["created_at"])).astimezone(UTC)


def one(kind: str, scratch: Path, options: argparse.Namespace) -> str:
    """One run of the program. Raises `Broken`; returns what was counted."""
    scratch.mkdir()
    env = HASTY.sow(scratch) if kind == "late" else {}
    if options.plant:
        env |= PLANTS[options.plant].sow(scratch)
    with ExitStack() as later:
        fed = Fed(scratch / "bench", options.python, scratch / "store", env, (10, 100, 10, 10))
        later.callback(fed.stop)
        oracle = fed.oracle()
        fed.start()
        fed.feed(1)
        fed.wait_for_points(2)
        fed.wait_for_batch(1)
        counted = KINDS[kind](fed)
        fed.end(oracle)
        fed.ask("verify")
    return counted


def main() -> int:
    options = parse(__doc__, KINDS, PLANTS)
    if shutil.which("strace") is None:
        print("there is no strace: not run", file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory(prefix="slow_disk.") as scratch:
        return table((kind, partial(one, kind, Path(scratch) / kind, options)) for kind in options.kinds or KINDS)


if __name__ == "__main__":
    sys.exit(main())
