"""Kills a program at each of its checkpoints, resumes it in a new process, and compares what was printed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import forkpoint

HERE = Path(__file__).parent
ROOT = Path(forkpoint.__file__).parents[1]
PROGRAMS = HERE / "programs"
KILLED, REFUSED = 9, 8


@dataclass
class Tally:
    """What became of the attempts on one program."""

    same: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def start(action: str, program: Path, state: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One process of the program under the harness."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path, **environment}
    command = [sys.executable, "-W", "ignore", str(HERE / "harness.py"), action, str(program), str(state)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)


def reference(program: Path, state: Path) -> str:
    """What the program prints when nothing happens to it."""
    done = start("run", program, state, KILL_AT="1000000")
    assert done.returncode == 0, done.stderr
    return done.stdout


def at_every_checkpoint(program: Path, state: Path, only: list[int] | None = None) -> Tally:
    """Kill at checkpoint 1, 2, ... and resume each time."""
    tally = Tally()
    expected = reference(program, state)
    number = 0
    while True:
        number += 1
        if only is not None:
            if number > len(only):
                return tally
            at = only[number - 1]
        else:
            at = number
        killed = start("run", program, state, KILL_AT=str(at))
        if killed.returncode == 0:
            return tally
        if killed.returncode == REFUSED:
            tally.refused[json.loads(killed.stderr.splitlines()[-1])["refused"]] += 1
            continue
        if killed.returncode != KILLED:
            tally.wrong.append(f"checkpoint {at}: saving ended with {killed.returncode}: {killed.stderr[-1500:]}")
            continue
        resumed = start("resume", program, state, KILL_AT="1000000")
        _compare(tally, f"checkpoint {at}", expected, killed.stdout, resumed)


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
            made = at_every_checkpoint(Path(name), Path(scratch) / "state")
            print(
                sys.version_info[:2], name, "same", made.same, "refused", dict(made.refused), "wrong", len(made.wrong)
            )
            for each in made.wrong[:4]:
                print("   ", each)
