"""A program fed by its tester, batch by batch, under forkpoint, while the tester does something to its store.

The program of fed_programs/ waits for each of its input files, so a fault lies between two batches however busy the
machine is. What must hold in the end is the same for every fault: the output of a run without forkpoint.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "crash"))

from harness import LIMIT_SECONDS, Bench, Program, Ran, Started, first_difference, tail  # noqa: E402

BATCHES = (10, 320, 10, 10)
"""Samples of 32 KiB of each batch: the second is more than any disk here holds."""

WAIT_SECONDS = 25.0
"""What ought to come comes within a second or two on a machine with nothing else to do."""

MISSING = re.compile(rb"^forkpoint: restore point [0-9a-f]{12} is missing: .*$", re.MULTILINE)


class Broken(Exception):
    """Something promised does not hold."""


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug to be put into a copy of the product: `old` becomes `new` in `file` of the package."""

    file: str
    old: str
    new: str

    def sow(self, scratch: Path) -> dict[str, str]:
        """The environment in which forkpoint has this bug, and those sown in the same place before."""
        if not (scratch / "planted").exists():
            shutil.copytree(ROOT / "forkpoint", scratch / "planted" / "forkpoint")
        path = scratch / "planted" / "forkpoint" / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has not one line {self.old!r}: the bug cannot be planted")
        path.write_text(text.replace(self.old, self.new))
        return {"PYTHONPATH": str(scratch / "planted")}


class Fed:
    """One program, its store wherever the caller wants it."""

    def __init__(
        self, scratch: Path, python: str, store: Path, env: Mapping[str, str], batches: Sequence[int] = BATCHES
    ) -> None:
        self._batches = tuple(batches)
        program = Program("samples", ("samples.py",), ROOT / "stress" / "fed_programs", env=env)
        self.bench = Bench(program, scratch, python, automatic=True)
        self.bench.store = store
        self.started: Started | None = None
        self.before = b""
        self._lives = 0

    def oracle(self) -> Ran:
        """The run without forkpoint, with all of its input there; takes the input away again."""
        for n in range(1, len(self._batches) + 1):
            self.feed(n)
        ran = self.bench.oracle()
        for n in range(1, len(self._batches) + 1):
            (self.bench.work / f"batch{n}").unlink()
        if ran.status:
            raise Broken(f"without forkpoint: exit {ran.status}\n{tail(ran.err)}")
        return ran

    def feed(self, n: int) -> None:
        """Let the program have its n-th batch."""
        whole = self.bench.work / f".batch{n}"
        whole.write_text(str(self._batches[n - 1]))
        whole.rename(self.bench.work / f"batch{n}")

    def start(self, argv: Sequence[str] | None = None, *, prefix: Sequence[str] = ()) -> None:
        """The program under `forkpoint run`, or `argv`; its output goes to a file."""
        self._lives += 1
        words = self.bench.run_argv("--every", "0.2") if argv is None else argv
        out = self.bench.scratch / f"life{self._lives}.out"
        self.started = Started(
            [*prefix, self.bench.python, *words], self.bench.env, self.bench.work, out, self.bench.files
        )

    def ran(self) -> Ran:
        assert self.started is not None
        return self.started.ran()

    def until(self, what: str, holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Wait until it holds. Raises `Broken` where it does not, or the program has ended before."""
        assert self.started is not None
        deadline = time.monotonic() + seconds
        while not holds():
            ended = self.started.process.poll()
            if ended is not None and not holds():
                raise Broken(f"{what}: the program ended with {ended} before\n{tail(self.ran().err)}")
            if time.monotonic() > deadline:
                raise Broken(f"{what}: not within {seconds:.0f} s\n{tail(self.ran().err)}")
            time.sleep(0.1)

    def points(self) -> list[dict[str, Any]]:
        """The restore points, newest first; none while there is no store or no run in it."""
        asked = self.bench.ask("log", "--json")
        if asked.status == 10:
            return []
        runs = self.bench.json("log")["runs"]
        return [point for point in runs[0]["points"] if point["durable"]] if runs else []

    def wait_for_points(self, more: int, after: Sequence[str] = ()) -> None:
        """Wait until so many points are there that are not among `after`."""
        known = set(after)
        self.until(f"{more} new restore points", lambda: len({p["id"] for p in self.points()} - known) >= more)

    def failures(self) -> list[str]:
        """What the program was told of commits that failed."""
        return [line.decode(errors="replace") for line in MISSING.findall(self.ran().err)]

    def wait_for_failures(self, count: int) -> None:
        self.until(f"{count} failed commits said", lambda: len(self.failures()) >= count)

    def wait_for_batch(self, n: int) -> None:
        """The program has got through it."""
        self.until(f"batch {n}", lambda: f"batch{n} ".encode() in self.before + self.ran().out)

    def ask(self, *words: str, status: int = 0) -> Ran:
        """A verb that must end with this status."""
        ran = self.bench.ask(*words)
        if ran.status != status:
            raise Broken(f"forkpoint {' '.join(words)}: exit {ran.status}, not {status}\n{tail(ran.out + ran.err)}")
        return ran

    def kill(self) -> None:
        """SIGKILL to the program and whatever works for it."""
        assert self.started is not None
        self.started.kill()

    def kill_and_restore(self) -> None:
        self.kill()
        self.restore()

    def restore(self) -> None:
        """On from the restore point that `restore` takes, which says how much of the output so far counts."""
        shown = self.bench.json("show", "latest")
        self.before = (self.before + self.ran().out)[: shown["stdout_bytes"]]
        self.start(self.bench.restore_argv())

    def end(self, oracle: Ran) -> Ran:
        """Feed what is left, wait for the end, compare."""
        assert self.started is not None
        for n in range(1, len(self._batches) + 1):
            if not (self.bench.work / f"batch{n}").exists():
                self.feed(n)
        if not self.started.wait(LIMIT_SECONDS):
            raise Broken(f"the program hangs\n{tail(self.ran().err)}")
        ran = self.ran()
        if ran.status != oracle.status:
            raise Broken(f"the program ended with {ran.status}\n{tail(ran.err)}")
        if self.before + ran.out != oracle.out:
            raise Broken(f"another output: {first_difference(oracle.out, self.before + ran.out)}\n{tail(ran.err)}")
        if ran.files != oracle.files:
            raise Broken(f"other files: {sorted({*ran.files} ^ {*oracle.files})}")
        return ran

    def stop(self) -> None:
        """However it went: nothing of the program is left."""
        if self.started is not None:
            self.started.kill()


def in_a_namespace() -> None:
    """Go on in a mount namespace of our own: as root as we are, else as the root of a user namespace. What is mounted
    there goes with its last process. Exit status 77 where the kernel allows none.
    """
    if os.environ.get("FED_NAMESPACE"):
        return
    wrap = ["unshare", "--mount", "--propagation", "private"]
    if os.getuid():
        wrap += ["--user", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*wrap, "true"], capture_output=True, check=False).returncode:
        print("no mount namespace can be made here: not run", file=sys.stderr)
        sys.exit(77)
    os.execvpe(wrap[0], [*wrap, sys.executable, *sys.argv], {**os.environ, "FED_NAMESPACE": "1"})


def mount(kind: str, where: Path, *options: str) -> None:
    """A filesystem at `where`, which is made. Raises CalledProcessError where it cannot be had."""
    where.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", kind, *options, str(where)], check=True, capture_output=True)


def remount(where: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(where)], check=True, capture_output=True)


def unmount(where: Path) -> None:
    subprocess.run(["umount", "--lazy", str(where)], check=False, capture_output=True)


def image(path: Path, megabytes: int, *options: str) -> None:
    """A file with an empty ext4 filesystem on it, nothing of which is reserved for root."""
    with path.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", *options, str(path)], check=True, capture_output=True)


def parse(about: str | None, kinds: Collection[str], plants: Collection[str]) -> argparse.Namespace:
    """The command line of a program that makes faults of these kinds."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(kinds))
    parser.add_argument("--python", default=sys.executable, help="interpreter under test")
    parser.add_argument("--plant", choices=plants, help="with this bug in the product: must fail")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(kinds):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    return options


def table(rows: Iterable[tuple[str, Callable[[], str]]]) -> int:
    """Do what each row says, print what came of it; the exit status: 1 where something promised does not hold."""
    status = 0
    for name, action in rows:
        try:
            verdict = f"PASS     {action()}"
        except subprocess.CalledProcessError as problem:
            verdict = f"not run  {problem.cmd[0]}: {(problem.stderr or b'').decode().strip()}"
        except FileNotFoundError as problem:
            verdict = f"not run  {problem}"
        except (Broken, AssertionError) as problem:
            verdict, status = f"FAIL     {problem}", 1
        print(f"{name:<24} {verdict}", flush=True)
    return status
