"""Runs a program, kills it, restores it, and says whether the joined output is that of a run never killed.

Only the published command line and environment are used. Every process gets a scratch directory, store, key and home
of its own, in a session of its own, so that killing a group never reaches the tests.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LIMIT_SECONDS = float(os.environ.get("CRASH_LIMIT_SECONDS", "90"))


class Verdict(StrEnum):
    """What came of one kill and restore. Everything but PASS and REFUSED is a defect; REFUSED must be expected."""

    PASS = "PASS"
    REFUSED = "REFUSED"
    HARD_FAIL = "HARD_FAIL"
    LOST_WORK = "LOST_WORK"
    SILENT_DIVERGENCE = "SILENT_DIVERGENCE"


@dataclass(frozen=True, slots=True)
class Ran:
    """One process from start to end: exit status (negative: the signal it died of) and all it wrote."""

    status: int
    out: bytes
    err: bytes
    files: Mapping[str, str] = field(default_factory=dict)
    """The working directory afterwards: relative path -> digest of the content, "" for a directory."""

    def refusals(self) -> list[str]:
        """What the program's own helper said about points that were not durable."""
        return re.findall(r"^REFUSED (.*)$", self.err.decode(errors="replace"), re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Program:
    """How to start one test program: `command` is what follows `python` or `forkpoint run`, within its directory."""

    name: str
    command: tuple[str, ...]
    directory: Path
    needs: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    volatile: tuple[str, ...] = ()
    """Names (patterns) of files that differ between two runs of the program itself, such as those named by the time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict, with what a reader needs to see why."""

    verdict: Verdict
    at: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.verdict} at {self.at}: {self.detail}" if self.detail else f"{self.verdict} at {self.at}"


def base_environment(scratch: Path) -> dict[str, str]:
    """The environment of every process: nothing of the tester's own settings, one thread, a home of its own."""
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")}
    env |= {
        "HOME": str(scratch / "home"),
        "XDG_CONFIG_HOME": str(scratch / "config"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore::SyntaxWarning",
    }
    if any((ROOT / "forkpoint").glob("_native.*.so")):  # built in place; otherwise it is installed
        env["PYTHONPATH"] = str(ROOT)
    return env


class Bench:
    """One program on one interpreter in one scratch directory: oracle, run, kill, restore, questions."""

    def __init__(
        self, program: Program, scratch: Path, python: str = sys.executable, *, automatic: bool = False
    ) -> None:
        """`automatic`: commits of the timer may come too; otherwise only those that the program asks for."""
        self.program = program
        self.python = python
        self.scratch = scratch
        self.work = scratch / "work"
        self.volatile = ("__pycache__", ".forkpoint", *program.volatile)
        self.store = scratch / "store"
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / "home").mkdir(exist_ok=True)
        shutil.copytree(program.directory, self.work, ignore=shutil.ignore_patterns("__pycache__"))
        self.env = base_environment(scratch) | dict(program.env)
        if not automatic:
            self.env["FORKPOINT_EVERY"] = "3600"

    def fresh(self) -> None:
        """Forget store and files, so that the next run starts from nothing (the key directory stays)."""
        for path in (self.work, self.store):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.program.directory, self.work, ignore=shutil.ignore_patterns("__pycache__"))

    def packs(self) -> frozenset[str]:
        """The names of the packs in the store."""
        return frozenset(path.name for path in self.store.glob("packs/**/*") if path.is_file())

    def journal(self) -> int:
        """When the store's journal was last written to, in ns since the epoch; 0 for none."""
        files = [self.store / "journal.db", self.store / "journal.db-wal"]
        return max((path.stat().st_mtime_ns for path in files if path.exists()), default=0)

    # ---- processes

    def start(self, argv: Sequence[str], env: Mapping[str, str], out: Path, cwd: Path | None = None) -> Started:
        return Started([self.python, *argv], self.env | dict(env), cwd or self.work, out, self.files)

    def call(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: bytes = b""
    ) -> Ran:
        """Run to the end, with stdout and stderr as pipes. A hang is killed and reported as status -9 with a note."""
        process = subprocess.Popen(
            [self.python, *argv],
            env=self.env | dict(env or {}),
            cwd=cwd or self.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(stdin, timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
            out, err = process.communicate()
            err += b"\nHARNESS: killed after %d s" % LIMIT_SECONDS
        return Ran(process.returncode, out, err, self.files())

    def files(self) -> dict[str, str]:
        """What lies in the working directory now, but for compiled files and what no two runs have in common."""
        found: dict[str, str] = {}
        for path in sorted(self.work.rglob("*")) if self.work.exists() else ():
            name = path.relative_to(self.work)
            if not any(fnmatch.fnmatch(part, pattern) for part in name.parts for pattern in self.volatile):
                found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""
        return found

    def oracle(self, env: Mapping[str, str] | None = None) -> Ran:
        """The uninterrupted run under plain python, forkpoint turned off."""
        return self.call(self.program.command, {"FORKPOINT_DISABLE": "1", "CRASH_POINTS": "list"} | dict(env or {}))

    def run(self, *options: str, env: Mapping[str, str] | None = None) -> Ran:
        return self.call(["-m", "forkpoint", "run", "--store", str(self.store), *options, *self.program.command], env)

    def run_argv(self, *options: str) -> list[str]:
        return ["-m", "forkpoint", "run", "--store", str(self.store), *options, *self.program.command]

    @contextlib.contextmanager
    def alive(self) -> Iterator[subprocess.Popen[bytes]]:
        """The program under `run`: it has printed "ready" and waits for the end of its input, until the block ends."""
        process = subprocess.Popen(
            [self.python, *self.run_argv()],
            env=self.env,
            cwd=self.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.communicate(b"")

    def restore(self, *words: str, env: Mapping[str, str] | None = None) -> Ran:
        return self.call(self.restore_argv(*words), env)

    def restore_argv(self, *words: str) -> list[str]:
        return ["-m", "forkpoint", "restore", "--store", str(self.store), *words]

    def ask(self, *words: str, env: Mapping[str, str] | None = None) -> Ran:
        """A read verb: `ask("log", "--json")`."""
        return self.call(["-m", "forkpoint", words[0], "--store", str(self.store), *words[1:]], env)

    def json(self, *words: str, damaged: int = 0) -> dict[str, Any]:
        """What a verb answers; `damaged` is the exit status it must have."""
        ran = self.ask(*words, "--json")
        if ran.status != damaged:
            raise AssertionError(f"forkpoint {' '.join(words)} --json: exit {ran.status}\n{tail(ran.err)}")
        found: dict[str, Any] = json.loads(ran.out)
        return found


class Started:
    """A process under way, in its own session, its stdout a regular file."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, out: Path, files: Callable[[], dict[str, str]]
    ) -> None:
        self.out_path = out
        self.files = files
        self.err_path = out.with_suffix(".err")
        with out.open("wb") as stdout, self.err_path.open("wb") as stderr:
            self.process = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        self.began = time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; did it end?"""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.began

    def kill(self) -> None:
        """SIGKILL to everything of the process's session, then reap it."""
        kill_group(self.process.pid)
        self.process.wait()

    def ran(self) -> Ran:
        return Ran(self.process.returncode, self.out_path.read_bytes(), self.err_path.read_bytes(), self.files())


def kill_group(leader: int) -> None:
    """SIGKILL a process group that we started; one already gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def tail(text: bytes, lines: int = 15) -> str:
    """The last lines of what a process said, for a message."""
    return "\n".join(text.decode(errors="replace").splitlines()[-lines:])


def first_difference(expected: bytes, actual: bytes) -> str:
    """Where two outputs part, in words."""
    want, got = expected.split(b"\n"), actual.split(b"\n")
    for n, (a, b) in enumerate(zip(want, got, strict=False), 1):
        if a != b:
            return f"line {n}: expected {a[:200]!r}, got {b[:200]!r}"
    if len(want) == len(got):
        return "no difference"
    return f"{len(want)} lines expected, {len(got)} came; next was {(want + got)[min(len(want), len(got))][:200]!r}"


def judge(oracle: Ran, joined: bytes, restored: Ran, at: str, *, check_errors: bool = False) -> Finding:
    """The verdict on a chain of processes that ended with `restored` and printed `joined` altogether."""
    if restored.status != oracle.status:
        detail = (
            f"exit {restored.status}, not {oracle.status}; {first_difference(oracle.out, joined)}\n{tail(restored.err)}"
        )
        return Finding(Verdict.HARD_FAIL, at, detail)
    if joined != oracle.out:
        return Finding(
            Verdict.SILENT_DIVERGENCE, at, first_difference(oracle.out, joined) + "\n" + tail(restored.err, 5)
        )
    if restored.files != oracle.files:
        names = [n for n in {*oracle.files, *restored.files} if oracle.files.get(n) != restored.files.get(n)]
        return Finding(Verdict.SILENT_DIVERGENCE, at, f"files differ: {sorted(names)[:9]}\n{tail(restored.err, 9)}")
    if check_errors and (difference := _traceback(oracle.err)) != _traceback(restored.err):
        return Finding(
            Verdict.SILENT_DIVERGENCE, at, f"traceback differs from:\n{difference}\nit is:\n{tail(restored.err)}"
        )
    return Finding(Verdict.PASS, at)


def _traceback(err: bytes) -> str:
    """stderr from the first traceback on, without forkpoint's own lines."""
    text = "\n".join(
        x for x in err.decode(errors="replace").splitlines() if not x.startswith(("forkpoint: ", "POINT "))
    )
    return text[text.find("Traceback (most recent") :] if "Traceback (most recent" in text else ""


def kills(bench: Bench, oracle: Ran, points: Sequence[int], mode: str, *, plain: bool = False) -> Iterator[Finding]:
    """For each point: a run from nothing that is killed there, then one restore to the end.

    `mode` is `kill` (every point before it was committed too), `only` (it is the first commit) or `fault` (no help
    from the program: the product's own fault point after the N-th acknowledged commit).
    """
    for n in points:
        bench.fresh()
        env = {"CRASH_POINTS": f"{mode}:{n}"} if mode != "fault" else {"FORKPOINT_FAULT": f"program.durable:kill:{n}"}
        if plain:
            killed = bench.call(bench.program.command, env | {"FORKPOINT_STORE": str(bench.store)})
        else:
            killed = bench.run(env=env)
        yield after_kill(bench, oracle, killed, f"point {n}")


def after_kill(bench: Bench, oracle: Ran, killed: Ran, at: str) -> Finding:
    """Judge a run that should have died of SIGKILL just after a durable point, by restoring it."""
    if killed.status != -signal.SIGKILL:
        reasons = killed.refusals()
        if reasons and killed.status == oracle.status and killed.out == oracle.out:
            return Finding(Verdict.REFUSED, at, reasons[-1])
        detail = f"not killed but exit {killed.status}; {reasons[-1:]} {first_difference(oracle.out, killed.out)}"
        return Finding(Verdict.HARD_FAIL, at, f"{detail}\n{tail(killed.err)}")
    if not oracle.out.startswith(killed.out):
        return Finding(Verdict.SILENT_DIVERGENCE, at, f"before the kill: {first_difference(oracle.out, killed.out)}")
    restored = bench.restore()
    if restored.status == oracle.status and restored.out and oracle.out.endswith(restored.out):
        if len(killed.out) + len(restored.out) > len(oracle.out):
            return Finding(
                Verdict.LOST_WORK, at, f"came back {len(killed.out) + len(restored.out) - len(oracle.out)} bytes early"
            )
    return judge(oracle, killed.out + restored.out, restored, at, check_errors=oracle.status == 1)


def chain(bench: Bench, oracle: Ran, limit: int) -> Finding:
    """Kill at every point, each time in the process that came back from the one before; then to the end.

    stdout_bytes counts over the whole ancestry, so what has been printed for good is the first `stdout_bytes` of all
    output so far.
    """
    bench.fresh()
    out, generation = bench.scratch / "chain.out", 0
    started = bench.start(bench.run_argv(), {"CRASH_POINTS": "every"}, out)
    joined = b""
    while True:
        if not started.wait(LIMIT_SECONDS):
            started.kill()
            return Finding(Verdict.HARD_FAIL, f"generation {generation}", "hangs\n" + tail(started.ran().err))
        ran = started.ran()
        joined += ran.out
        if ran.status != -signal.SIGKILL:
            break
        if not oracle.out.startswith(joined):
            return Finding(Verdict.SILENT_DIVERGENCE, f"generation {generation}", first_difference(oracle.out, joined))
        generation += 1
        if generation > limit:
            return Finding(Verdict.LOST_WORK, f"generation {generation}", "comes back to a point it has passed")
        if generation in (1, 4):
            counted = bench.json("show", "latest")["stdout_bytes"]
            if counted != len(joined):
                detail = f"stdout_bytes {counted}, but {len(joined)} were printed at the point"
                return Finding(Verdict.SILENT_DIVERGENCE, f"generation {generation}", detail)
        started = bench.start(bench.restore_argv(), {}, out)
    finding = judge(oracle, joined, ran, f"generation {generation}", check_errors=oracle.status == 1)
    if finding.verdict is Verdict.PASS and (generation == 0 or ran.refusals()):
        return Finding(Verdict.REFUSED, finding.at, "; ".join(ran.refusals()[-1:]))
    return finding
