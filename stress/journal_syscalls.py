"""One commit with retention, killed or failed at every system call that matters, in turn. Needs strace.

    python stress/journal_syscalls.py

Holds: acknowledged means there; failed means not there; the commit before is there; the store verifies, and the next
commit works. Exits 1 and lists what did not hold.
"""

from __future__ import annotations

import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "journal")]

import journal_program  # noqa: E402
from journal_program import Program  # noqa: E402

from forkpoint import errors, report  # noqa: E402
from forkpoint.journal import home as homes  # noqa: E402
from forkpoint.journal.reader import Reader  # noqa: E402
from forkpoint.journal.verify import verify  # noqa: E402

FAULTS = {
    "signal=SIGKILL": "fsync fdatasync pwrite64 unlink unlinkat rename renameat ftruncate mkdirat",
    "error=EIO": "fsync fdatasync pwrite64 renameat",
    "error=ENOSPC": "pwrite64 write mkdirat",
}
TIMES_MAX = 60


def one(folder: str, call: str, fault: str, when: int) -> tuple[bool, str, list[str]]:
    """(whether the fault happened, how the commit ended, what did not hold)."""
    home = homes.create(tempfile.mkdtemp(dir=folder) + "/store")
    program = Program(home)
    assert program.lease is not None
    shared = os.urandom(300)
    program.commit([shared, b"first"])
    before = program.commit([shared, b"before"])
    receiver, sender = os.pipe()
    point = homes.new_id()
    task = {
        "path": home.path, "run": program.run.fields(), "parent": program.parent, "point": point,
        "state": [shared.hex(), "00"], "report_fd": sender, "keep_last": 1, "lease_fd": program.lease.fd,
    }  # fmt: skip
    log = f"{folder}/strace.log"
    command = ["strace", "-f", "-o", log, "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={when}"]
    subprocess.run(
        [*command, sys.executable, journal_program.__file__, json.dumps(task)], capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, pass_fds=[sender, program.lease.fd],
    )  # fmt: skip
    os.close(sender)
    answer = report.decode(os.read(receiver, report.SIZE))
    os.close(receiver)
    traced = Path(log).read_text()
    problems, there = judge(home, program, answer, point, before)
    program.die()
    shutil.rmtree(home.path)
    ended = f"{fault} {answer.status} {'there' if there else 'absent'}"
    return "INJECTED" in traced or "killed by SIGKILL" in traced, ended, problems


def judge(home: homes.Home, program: Program, answer: report.Report, point: str, before: str) -> tuple[list[str], bool]:
    problems = [str(damage) for damage in verify(home).damages]
    with Reader(home, accept_rollback=True) as reader:
        there = reader.has(point)
        if (answer.status == "K" and not there) or (answer.status == "F" and there):
            problems.append(f"reported {answer.status}, but {'there' if there else 'absent'}")
        if not there and not reader.has(before):
            problems.append("the commit before is lost")
    program.parent = point if there else before
    try:
        program.commit([b"next"])
        problems += [str(damage) for damage in verify(home).damages]
    except (errors.ForkpointError, OSError) as error:
        problems.append(f"the next commit failed: {error!r}")
    return problems, there


def main() -> int:
    ended: collections.Counter[str] = collections.Counter()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="forkpoint-syscalls-") as folder:
        os.environ |= {"XDG_CONFIG_HOME": f"{folder}/config", "XDG_STATE_HOME": f"{folder}/state"}
        for fault, calls in FAULTS.items():
            for call in calls.split():
                for when in range(1, TIMES_MAX):
                    happened, how, problems = one(folder, call, fault, when)
                    ended[how] += 1
                    for problem in problems:
                        failed += 1
                        print(f"{call} {fault} {when}: {problem}", flush=True)
                    if not happened:
                        break
                print(f"{fault} {call}: {when - 1} places", flush=True)
    print(dict(ended))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
