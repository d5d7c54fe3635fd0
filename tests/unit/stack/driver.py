"""Kills a program at each of its checkpoints, resumes it in a new process, and compares what was printed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forkpoint

HERE = Path(__file__).parent
ROOT = Path(forkpoint.__file__).parents[1]
PROGRAMS = HERE / "programs"
KILLED = 9


@dataclass
class Tally:
    """What became of the attempts on one program."""

    same: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def start(
    action: str, program: Path, state: Path, stdout: Any = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[str]:
    """One process of the program under the harness."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path, **environment}
    command = [sys.executable, "-W", "ignore", str(HERE / "harness.py"), action, str(program), str(state)]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=env, timeout=180)


def reference(program: Path, state: Path) -> str:
    """What the program prints when nothing happens to it."""
    done = start("run", program, state, KILL_AT="1000000")
    assert done.returncode == 0, done.stderr
    return done.stdout


def at_every_checkpoint(program: Path, scratch: Path, only: Callable[[int], bool] = lambda number: True) -> Tally:
    """Run the program once, leave a state at each of its checkpoints, and resume from each that `only` picks."""
    tally = Tally()
    scratch.mkdir()
    output = scratch / "whole.out"
    with output.open("w") as file:
        done = start("run", program, scratch / "unused", stdout=file, BRANCH=str(scratch))
    assert done.returncode == 0, done.stderr
    expected = output.read_text()
    for refused in scratch.glob("*.refused"):
        tally.refused[refused.read_text()] += 1
    for before in sorted(scratch.glob("[0-9]*.out"), key=lambda path: int(path.stem)):
        if only(int(before.stem)):
            resumed = start("resume", program, before.with_suffix(".state"), KILL_AT="1000000")
            _compare(tally, f"checkpoint {before.stem}", expected, before.read_text(), resumed)
    return tally


def _compare(tally: Tally, what: str, expected: str, before: str, resumed: subprocess.CompletedProcess[str]) -> None:
    if resumed.returncode == 0 and before + resumed.stdout == expected:
        tally.same += 1
        return
    lines = list(zip(expected.splitlines(), (before + resumed.stdout).splitlines(), strict=False))
    first = next((f"{a!r} != {b!r}" for a, b in lines if a != b), "one is shorter")
    tally.wrong.append(f"{what}: status {resumed.returncode}: {first} {resumed.stderr[-1500:]}")


def generations(program: Path, state: Path, every: str, rounds: int, seed: int, longest: int = 4) -> Tally:
    """Run with the timer, kill after a few captures, resume, kill again ... until the program ends by itself."""
    tally = Tally()
    expected = reference(program, state)
    chance = random.Random(seed)
    for number in range(rounds):
        before, action, lives = "", "run", 0
        while True:
            lives += 1
            done = start(action, program, state, EVERY=every, KILL_AFTER=str(chance.randint(1, longest)))
            if done.returncode != KILLED:
                break
            before, action = before + done.stdout, "resume"
        if done.stderr.strip():
            for reason, count in json.loads(done.stderr.splitlines()[-1])["refusals"] if done.returncode == 0 else ():
                tally.refused[reason] += count
        _compare(tally, f"round {number} after {lives} lives", expected, before, done)
    return tally


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        for name in sys.argv[1:]:
            made = at_every_checkpoint(Path(name), Path(scratch) / Path(name).stem)
            print(
                sys.version_info[:2], name, "same", made.same, "refused", dict(made.refused), "wrong", len(made.wrong)
            )
            for each in made.wrong[:4]:
                print("   ", each)
