"""`forkpoint demo`: train a model, kill it half way, restore it, and compare with a run that was never killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import click

import forkpoint
from forkpoint.errors import ForkpointError

SECONDS_MAX: Final = 120.0
"""A training that takes longer than this, on any machine, is stuck."""

TRIES_MAX: Final = 4
"""So often a training is run that ends too early to be killed."""

EVERY_SECONDS_MAX: Final = 0.3
COMMITS_MIN: Final = 4
"""So many times a training is to be interrupted, on a machine however fast."""

# The first whose library is installed; each is an ordinary script.
PROGRAMS: Final[dict[str, str]] = {
    "torch": "torch",
    "scikit-learn": "sklearn",
    "numpy": "numpy",
    "plain Python": "",
}


class Ended(NamedTuple):
    """How one process ended, and what it printed. `status` is negative for a signal, as in subprocess.

    `seconds` is the time since its start, `training` that since its first line.
    """

    status: int
    output: bytes
    seconds: float
    training: float


@click.command("demo")
@click.option("--with", "library", type=click.Choice(list(PROGRAMS)), help="Which; default: what is installed.")
@click.option("--keep", metavar="DIR", type=click.Path(path_type=Path), help="Work in DIR and leave everything there.")
def demo(library: str | None, keep: Path | None) -> int:
    """Train a small model, kill it with SIGKILL half way, restore it, and prove the result bit-identical.

    Exit 0 if it is, 1 if not. Works in a directory of its own, with a store and a key of its own.
    """
    chosen = library or next(name for name, module in PROGRAMS.items() if not module or find_spec(module))
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        return _tell(chosen, keep.absolute())
    with tempfile.TemporaryDirectory(prefix="forkpoint-demo-") as scratch:
        return _tell(chosen, Path(scratch))


def _tell(library: str, scratch: Path) -> int:
    """The whole story. Raises ForkpointError when a step that has to work did not."""
    program = scratch / "train.py"
    name = f"train_{PROGRAMS[library] or 'plain'}.py"
    shutil.copyfile(Path(forkpoint.__path__[0]) / "demo" / name, program)
    places = {key: scratch / key for key in ("uninterrupted", "killed")}
    for place in places.values():
        place.mkdir(exist_ok=True)

    _say(f"An ordinary {library} training, {program}: it imports nothing of forkpoint.\n")
    _say("1. Uninterrupted, for comparison\n   $ python train.py")
    whole = _run([sys.executable, str(program)], places["uninterrupted"], scratch)
    _expect(whole.status == 0, "the training itself failed", whole)
    lines = whole.output.count(b"\n")
    _say(f"   {lines} lines of output in {whole.seconds:.1f} s\n")

    every = f"{min(EVERY_SECONDS_MAX, whole.training / COMMITS_MIN):.2g}"
    _say(f"2. The same under forkpoint, killed half way\n   $ forkpoint run --every {every} train.py")
    verb = [sys.executable, "-m", "forkpoint"]
    killed = _killed([*verb, "run", "--every", every, str(program)], places, scratch, lines)
    seen = killed.output.count(b"\n")
    _say(f"   kill -9 after {seen} lines: the process is gone, and its memory with it\n")

    _say("3. Restored in a new process, inside the loop it was in\n   $ forkpoint restore")
    restored = _run([*verb, "restore"], places["killed"], scratch)
    _expect(restored.status == 0, "the restored program failed", restored)
    _say("")
    return _compare(places, scratch, whole, killed, restored)


def _killed(command: list[str], places: dict[str, Path], scratch: Path, lines: int) -> Ended:
    """A run that is killed half way, once it has a restore point. On a busy machine the first ones may end before."""
    tries = 1
    while (killed := _once(command, places, scratch, lines)).status == 0 and tries < TRIES_MAX:
        _say("   It ended before its first restore point was seen. Once more:")
        for place in (places["killed"], scratch / "store"):
            shutil.rmtree(place, ignore_errors=True)
        places["killed"].mkdir()
        tries += 1
    _expect(killed.status == -signal.SIGKILL, "the program was to die of SIGKILL", killed)
    return killed


def _once(command: list[str], places: dict[str, Path], scratch: Path, lines: int) -> Ended:
    return _run(command, places["killed"], scratch, lambda seen: seen >= lines // 2 and _unfinished(places, scratch))


def _compare(places: dict[str, Path], scratch: Path, whole: Ended, killed: Ended, restored: Ended) -> int:
    """Say whether weights and output are those of the uninterrupted run, bit for bit."""
    _say("4. Compared bit for bit with the uninterrupted run")
    weights = [(place / "weights.bin").read_bytes() for place in places.values()]
    same_weights = weights[0] == weights[1]
    # The killed process may have printed more after its last restore point; the restored one printed that again.
    at = len(whole.output) - len(restored.output)
    same_output = 0 <= at <= len(killed.output) and killed.output[:at] + restored.output == whole.output
    _say(f"   weights  {len(weights[0])} bytes: {'identical' if same_weights else 'DIFFERENT'}")
    _say(f"   output   {len(whole.output)} bytes: {'identical' if same_output else 'DIFFERENT'}")
    if same_weights and same_output:
        lost = killed.output[at:].count(b"\n")
        _say(f"\nkill -9 cost {lost} lines of work. The program did them again, and ended as if nothing had happened.")
        return 0
    _say("\nThe restored run is not the uninterrupted one: this is a bug in forkpoint.")
    return 1


def _run(command: list[str], place: Path, scratch: Path, kill_when: Callable[[int], bool] | None = None) -> Ended:
    """Run a process in `place`, showing its lines; SIGKILL it after the line for which `kill_when` says so.

    The process is held still while `kill_when` thinks: it takes longer than a small training on a fast machine.
    """
    began = first = time.monotonic()
    output = b""
    with subprocess.Popen(command, cwd=place, env=_environment(scratch), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                first = first if output else time.monotonic()
                output += line
                _say("   | " + line.decode(errors="replace").rstrip())
                if kill_when is not None:
                    process.send_signal(signal.SIGSTOP)
                    if kill_when(output.count(b"\n")):
                        process.kill()
                        # What it printed between the line we saw and its death is output as well.
                        output += process.stdout.read()
                        break
                    process.send_signal(signal.SIGCONT)
                if time.monotonic() - began > SECONDS_MAX:
                    raise ForkpointError(f"the training was still not over after {SECONDS_MAX:.0f} s")
        except BaseException:
            process.kill()
            raise
        ended = time.monotonic()
    return Ended(process.returncode, output, ended - began, ended - first)


def _unfinished(places: dict[str, Path], scratch: Path) -> bool:
    """Whether by now there is a run that has a restore point and has not ended."""
    done = subprocess.run(
        [sys.executable, "-m", "forkpoint", "log", "--json"],
        cwd=places["killed"],
        env=_environment(scratch),
        capture_output=True,
        check=False,
    )
    runs = json.loads(done.stdout)["runs"] if done.returncode == 0 else []
    return any(run["points"] and run["state"] != "finished" for run in runs)


def _environment(scratch: Path) -> dict[str, str]:
    """This environment without the user's choices, and with a store and a key that end with the demo."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FORKPOINT_")}
    own = {"FORKPOINT_STORE": "store", "XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state"}
    # One thread: models this small only get slower with more, on a busy machine a hundredfold.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return {**kept, **threads, **{name: str(scratch / folder) for name, folder in own.items()}}


def _expect(holds: bool, claim: str, ended: Ended) -> None:
    if not holds:
        raise ForkpointError(f"{claim}; it ended with status {ended.status}", hint="`forkpoint doctor` may say why")


def _say(text: str) -> None:
    click.echo(text)
