"""The doctor's questions to this machine; each answer says what it means for checkpoints, and what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

Status = Literal["ok", "warn", "fail"]

FREE_BYTES_MIN: Final = 5 << 30
"""Retention never lets free space fall below this; a store that starts there keeps one point."""

PROBE_SECONDS: Final = 30.0
"""A probe that takes longer is stuck in a call it should not have been stuck in."""

_KERNEL: Final = {
    "clone3": "without it each checkpoint's child is an ordinary one, seen by os.wait() and SIGCHLD",
    "pidfd": "without it the end of a checkpoint's child is noticed later",
    "close_range": "without it the child closes descriptors one at a time",
    "oom_score": "without it the kernel may kill the program instead of the child when memory runs out",
    "page_tracking": "without it each checkpoint's child reads all large buffers; the program does not wait for it",
}

# What forks badly, as their own documentation or trackers say: threads or device contexts a fork cannot carry.
_UNSAFE: Final = {
    "cupy": "GPU memory is not captured, and a CUDA context does not survive a fork",
    "dask": "its scheduler's threads stand in the way of commits",
    "grpcio": "open channels do not survive a fork",
    "jax": "pending arrays hang in a forked process, and device memory is not captured",
    "lightgbm": "boosters hang in a forked process (OpenMP)",
    "mpi4py": "a rank's peers cannot be captured; fork after MPI_Init is undefined",
    "polars": "frames of several chunks hang in a forked process (its thread pool)",
    "pyarrow": "its thread pools do not survive a fork",
    "pyspark": "the JVM beside the program is another process and is not captured",
    "ray": "its workers are other processes and are not captured",
    "tensorflow": "its runtime's threads do not survive a fork",
    "xgboost": "boosters hang in a forked process (OpenMP)",
}


class Check(NamedTuple):
    """One answer. `value` is short, for machines as well; `meaning` a sentence; `advice` empty if all is well."""

    name: str
    status: Status
    value: str
    meaning: str = ""
    advice: str = ""

    def fields(self) -> dict[str, Any]:
        """As `doctor --json` publishes it."""
        return self._asdict()


def examine(store: Path) -> tuple[Check, ...]:
    """All answers, in the order they are read. Starts two short processes; writes nothing that stays."""
    return (*_python(), *_kernel(), _seccomp(), _sqlite(), _encryption(), *_filesystem(store), _memory(), *_libraries())


def _python() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    supported = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check(
        "python",
        "ok" if supported else "warn",
        f"{sys.implementation.name} {version}",
        "the call stack can be resumed" if supported else "variables only: this interpreter's frames are not known",
        "" if supported else "use CPython 3.11, 3.12 or 3.13",
    )
    try:
        import forkpoint._native as native
    except ImportError as error:
        yield Check("native", "fail", "missing", str(error), "install it again, with a C compiler")
    else:
        yield Check("native", "ok", os.path.basename(native.__file__ or "_native"))


def _kernel() -> Iterator[Check]:
    probe = os.path.join(os.path.dirname(__file__), "kernel_probe.py")
    done = _in_a_process("-I", "-S", probe)
    answers = {answer["name"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    for name, loss in _KERNEL.items():
        answer = answers.get(name, {"works": False, "detail": f"the probe was killed ({done.returncode})"})
        if answer["works"]:
            yield Check(name, "ok", "works", answer["detail"])
        else:
            yield Check(name, "warn", answer["detail"], loss, "a newer kernel or another container profile has it")


def _in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter on something that may kill it."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)


def _seccomp() -> Check:
    with open("/proc/self/status") as file:
        mode = dict(line.split(":", 1) for line in file).get("Seccomp", " 0").strip()
    if mode == "0":
        return Check("seccomp", "ok", "off", "no system calls are filtered")
    return Check("seccomp", "ok", "filtered", "a profile filters system calls; what it blocks is named above")


def _sqlite() -> Check:
    # In a process of its own: only the journal opens SQLite, and it refuses to load at all with one that is too old.
    code = "from forkpoint.journal import connection as c; print(c.sqlite.sqlite_version)"
    done = _in_a_process("-c", code)
    if done.returncode == 0:
        return Check("sqlite", "ok", done.stdout.strip(), "two processes may write the journal without harm")
    problem = (done.stderr.strip().splitlines() or ["no answer"])[-1]
    return Check("sqlite", "fail", "unusable", problem, "pip install --upgrade pysqlite3")


def _encryption() -> Check:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Check("encryption", "ok", f"cryptography {version('cryptography')}", "`run --encrypt` works")
    except PackageNotFoundError:
        return Check("encryption", "ok", "none", "`run --encrypt` needs it: pip install 'forkpoint[encrypt]'")


def _filesystem(store: Path) -> Iterator[Check]:
    import shutil

    from forkpoint.journal import filesystem

    standing = next(parent for parent in (store, *store.parents) if parent.is_dir())
    kind = filesystem.kind(str(standing))
    if kind in filesystem.NETWORK:
        yield Check("filesystem", "fail", kind, f"{store} would lie on a network", "keep the store local: --store DIR")
    elif kind in ("tmpfs", "ramfs"):
        yield Check("filesystem", "warn", kind, f"{store} is lost when the machine restarts", "--store DIR on a disk")
    else:
        yield Check("filesystem", "ok", kind, str(store))
    if not os.access(standing, os.W_OK | os.X_OK):
        yield Check("writable", "fail", "no", f"{standing} cannot be written to", "name another place: --store DIR")
    free = shutil.disk_usage(standing).free
    enough = free >= FREE_BYTES_MIN
    yield Check(
        "free_space",
        "ok" if enough else "warn",
        f"{free / (1 << 30):.1f} GiB",
        "" if enough else "retention keeps fewer restore points below 5 GiB",
        "" if enough else "free space, or name another place: --store DIR",
    )


def _memory() -> Check:
    import psutil

    available = int(psutil.virtual_memory().available)
    limit = _cgroup_bytes()
    room = available if limit is None else min(available, limit)
    bounded = "" if limit is None else ", bounded by this process's control group"
    return Check(
        "memory",
        "ok",
        f"{room / (1 << 30):.1f} GiB available",
        f"a checkpoint is skipped, saying so, when its copies might not fit{bounded}",
    )


def _cgroup_bytes() -> int | None:
    """What the control group still allows this process to take, or None where it sets no limit."""
    try:
        group = Path("/sys/fs/cgroup") / Path("/proc/self/cgroup").read_text().rsplit("::", 1)[-1].strip().lstrip("/")
        limit = (group / "memory.max").read_text().strip()
        return None if limit == "max" else int(limit) - int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return None


def _libraries() -> Iterator[Check]:
    from importlib.metadata import PackageNotFoundError, version

    for name, reason in _UNSAFE.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue
        yield Check(name, "warn", installed, reason, "if a program uses it: `forkpoint show` says what was in the way")
