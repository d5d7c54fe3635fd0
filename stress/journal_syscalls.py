"""Operations on a store, killed or failed at every system call of theirs on it, in turn. Needs strace.

    python stress/journal_syscalls.py [--every N] [--seed S] [--plant BUG] [OPERATION ...]

A run without a fault tells which calls of an operation (journal_operations.py: commits, forgetting, repair, change of
key, reading a restore point, each of some encrypted) are on the store, its key or its anchor. Then each of them is
killed, and fails with each error it can have: EIO, ENOSPC, EINTR, ENOMEM, EMFILE, ENOLCK. `--every N` takes each N-th
of them. Exits 1 and lists what did not hold; 77 without strace.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from journal_operations import ACTS, ROOT, Facts, judged, made

CANNOT = 77
SECONDS_MAX = 120
KILL = "signal=SIGKILL"
FAULTS = {
    "openat": "error=EMFILE error=ENOMEM error=EIO",
    "read": "error=EIO error=EINTR",
    "pread64": "error=EIO error=EINTR",
    "write": f"{KILL} error=EIO error=ENOSPC error=EINTR",
    "pwrite64": f"{KILL} error=EIO error=ENOSPC error=EINTR",
    "writev": f"{KILL} error=EIO error=ENOSPC error=EINTR",
    "fsync": f"{KILL} error=EIO error=ENOSPC",
    "fdatasync": f"{KILL} error=EIO error=ENOSPC",
    "rename": f"{KILL} error=EIO error=ENOSPC error=ENOMEM",
    "renameat": f"{KILL} error=EIO error=ENOSPC error=ENOMEM",
    "renameat2": f"{KILL} error=EIO error=ENOSPC error=ENOMEM",
    "linkat": f"{KILL} error=EIO error=ENOSPC",
    "unlink": f"{KILL} error=EIO error=ENOMEM",
    "unlinkat": f"{KILL} error=EIO error=ENOMEM",
    "rmdir": f"{KILL} error=EIO",
    "mkdir": f"{KILL} error=EIO error=ENOSPC error=ENOMEM",
    "mkdirat": f"{KILL} error=EIO error=ENOSPC error=ENOMEM",
    "ftruncate": f"{KILL} error=EIO error=ENOSPC error=EINTR",
    "fallocate": f"{KILL} error=EIO error=ENOSPC error=EINTR",
    "flock": "error=ENOLCK error=EINTR",
    "mmap": "error=ENOMEM",
    "getdents64": "error=EIO",
    "newfstatat": "error=EIO error=ENOMEM",
}
"""What each call may answer (its page in section 2 of the manual), and those worth dying at."""

PLANTS = {
    "mistaken": "from forkpoint.journal import packfile; packfile._NOT_THE_PACKS_FAULT = ()",
}
"""Bugs, put into the operation's process: a pack that cannot be opened is lost (`repair --plant mistaken`)."""


@dataclass(frozen=True, slots=True)
class Place:
    """The `when`-th system call `call` of an operation."""

    call: str
    when: int
    what: str


class Store:
    """A store as an operation begins with it, made anew for each try: a copy would be one without its anchor."""

    def __init__(self, folder: Path, name: str, plant: str) -> None:
        self.name = name
        self.facts: Facts = {}
        self._plant = plant
        self._folder = folder / re.sub(r"\W+", "_", name)
        self._log = folder / "strace.log"

    def attempt(self, *options: str) -> tuple[int, bytes, str]:
        """(exit status, its words, the trace) of the operation under strace."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        os.environ |= {"XDG_CONFIG_HOME": f"{self._folder}/config", "XDG_STATE_HOME": f"{self._folder}/state"}
        self.facts = made(self.name, self._folder)
        code = f"{PLANTS[self._plant]}\n" if self._plant else ""
        code += "import journal_operations; journal_operations.main()"
        paths = os.pathsep.join([str(ROOT), str(ROOT / "stress")])
        ran = subprocess.run(
            ["strace", "-f", "-y", "-o", str(self._log), *options,
             sys.executable, "-c", code, self.name, self.path, json.dumps(self.facts)],
            env={**os.environ, "PYTHONPATH": paths}, capture_output=True, check=False, timeout=SECONDS_MAX,
        )  # fmt: skip
        said = ran.stdout if ran.returncode == 0 or "commit" in self.name else ran.stderr
        return ran.returncode, said, self._log.read_text(errors="replace")

    @property
    def path(self) -> str:
        return str(self._folder / "store")

    def places(self) -> list[Place]:
        """The calls on files of the store, its key and its anchor, counted as strace counts them."""
        status, said, trace = self.attempt("-e", f"trace={','.join(FAULTS)}")
        if status:
            raise RuntimeError(f"{self.name} fails without a fault: {said.decode()}")
        counts: collections.Counter[tuple[str, str]] = collections.Counter()
        found = []
        for line in trace.splitlines():
            if parsed := re.match(r"(\d+) +(\w+)\((.*)", line):
                pid, call, rest = parsed.groups()
                counts[pid, call] += 1
                if str(self._folder) in rest and " = -1 " not in rest:
                    found.append(Place(call, counts[pid, call], rest.partition(str(self._folder))[2][:60]))
        return found


def fails(store: Store, place: Place, fault: str) -> tuple[str, list[str]]:
    """How the operation with this fault ended, and what does not hold. It never happened: ""."""
    try:
        status, said, trace = store.attempt(
            "-e", f"trace={place.call}", "-e", f"inject={place.call}:{fault}:when={place.when}"
        )
    except subprocess.TimeoutExpired:
        return "hangs", [f"still running after {SECONDS_MAX} s"]
    if "INJECTED" not in trace and "killed by SIGKILL" not in trace:
        return "", []
    try:
        return judged(store.name, store.path, store.facts, status, said)
    except Exception as problem:
        return "lost", [f"{type(problem).__name__}: {problem}"]


def main() -> int:
    options = parse()
    if shutil.which("strace") is None:
        print("no strace here: not run", file=sys.stderr)
        return CANNOT
    failed = tries = 0
    with tempfile.TemporaryDirectory(prefix="forkpoint-syscalls-") as folder:
        for name in options.operations or ACTS:
            store = Store(Path(folder), name, options.plant)
            every = [(place, fault) for place in store.places() for fault in FAULTS[place.call].split()]
            ended: collections.Counter[str] = collections.Counter()
            for place, fault in every[options.first :: options.every]:
                how, problems = fails(store, place, fault)
                ended[how or "did not happen"] += 1
                tries += bool(how)
                failed += bool(problems)
                if problems:
                    print(f"{name}, {place.call} {place.when} ({place.what}), {fault}: {problems}", flush=True)
            print(f"{name}: {dict(ended)}", flush=True)
    print(f"{tries} faults, {failed} FAILED" if failed or not tries else f"PASS {tries} faults")
    return 1 if failed or not tries else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("operations", nargs="*", metavar="OPERATION", help=", ".join(ACTS))
    parser.add_argument("--every", type=int, default=1, help="each so many-th fault only")
    parser.add_argument("--first", type=int, default=0, help="beginning with this one")
    parser.add_argument("--plant", choices=PLANTS, default="", help="with this bug: must fail")
    options = parser.parse_args()
    if unknown := set(options.operations) - set(ACTS):
        parser.error(f"no such operation: {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
