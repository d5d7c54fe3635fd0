"""Who is using a run or reading the store: flock leases, and the note a program leaves when it ends.

A program holds `leases/<run>.lock` exclusively. flock belongs to the open file, so its forked child and the
committer, which inherit the descriptor, keep the lease when the program is gone (lockf would not). Other forks of the
program close it. The file names the program's pid, start time, boot and pid namespace, by which a reader tells
"the program is alive" from "only its child still writes".

A reader holds `leases/reader-<id>.lock`; forgetting deletes no pack a reader may have planned to read.

`leases/<run>.end` is written by the program as it ends, without SQLite. No such file and no lease: the run died.
"""

from __future__ import annotations

import contextlib
import os
import time

from forkpoint import errors
from forkpoint.journal import disk, durable
from forkpoint.journal.home import Home, is_id, new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PROBE_SECONDS = 0.25
"""A reader that asks whether a lease is held holds it for an instant; taking it waits that out."""


def process_identity(pid: int) -> str | None:
    """`pid starttime boot pid-namespace`, or None when there is no such living process (a zombie is none)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *fields = file.read().rpartition(b")")[2].split()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return None
    if state in (b"Z", b"X"):
        return None
    return f"{pid} {fields[18].decode()} {boot} {namespace}"


def _open(directory: int, name: str) -> int:
    return durable.apart(durable.open_beneath(directory, (name,), os.O_RDWR | os.O_CREAT))


def _still_named(directory: int, name: str, fd: int) -> bool:
    try:
        facts = disk.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    mine = disk.fstat(fd)
    return (facts.st_dev, facts.st_ino) == (mine.st_dev, mine.st_ino)


def _take(directory: int, name: str) -> int | None:
    """The locked descriptor, or None when somebody holds it."""
    deadline = time.monotonic() + _PROBE_SECONDS
    while True:
        fd = _open(directory, name)
        try:
            disk.flock(fd, disk.LOCK_EX | disk.LOCK_NB)
            if _still_named(directory, name, fd):
                return fd
        except BlockingIOError:
            if time.monotonic() > deadline:
                disk.close(fd)
                return None
            time.sleep(0.01)
        except BaseException:
            disk.close(fd)
            raise
        disk.close(fd)


def _held(directory: int, name: str) -> bool:
    try:
        fd = durable.open_beneath(directory, (name,), os.O_RDONLY | os.O_NONBLOCK)  # a pipe would be waited for
    except FileNotFoundError:
        return False
    except OSError as error:
        raise errors.IntegrityError(f"leases/{name}: {error.strerror}") from None
    try:
        disk.flock(fd, disk.LOCK_SH | disk.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        disk.close(fd)


class Lease:
    """A lease this process holds. `fd` is what a child has to keep open to hold it too."""

    __slots__ = ("_owner", "fd", "name")

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd
        self._owner = os.getpid()
        os.register_at_fork(after_in_child=self._forget_in_fork)

    def _forget_in_fork(self) -> None:
        """In forks the program makes itself: their life says nothing about the program's."""
        if self.fd >= 0 and os.getpid() != self._owner:
            disk.close(self.fd)
            self.fd = -1

    def pass_on(self) -> int:
        """Make the descriptor survive the next exec, and return it; the process after it calls `adopt`."""
        os.set_inheritable(self.fd, True)
        return self.fd

    def release(self) -> None:
        """Let go. Forked children that hold it too keep it held."""
        if self.fd >= 0:
            disk.close(self.fd)
            self.fd = -1


def acquire(home: Home, run: str) -> Lease:
    """Hold the lease of a run as its program. Raises `Locked` when the run is alive or its child still writes."""
    if not is_id(run):
        raise ValueError(f"not a run id: {run!r}")
    with home.held("leases") as directory:
        fd = _take(directory, f"{run}.lock")
        if fd is None:
            raise errors.Locked(f"run {run} is alive", hint="wait until it ends, or stop it first")
        lease = Lease(run, fd)
        lease_identity(lease)
        return lease


def lease_identity(lease: Lease) -> None:
    """Write who holds the lease into its file: this process."""
    text = (process_identity(os.getpid()) or "").encode()
    disk.pwrite(lease.fd, text.ljust(160), 0)


def adopt(run: str, fd: int) -> Lease:
    """The lease that the process before this exec held."""
    os.set_inheritable(fd, False)
    lease = Lease(run, fd)
    lease_identity(lease)
    return lease


def is_alive(home: Home, run: str) -> bool:
    """Whether the lease of a run is held: by its program, its child, or a committer."""
    with home.held("leases") as directory:
        return _held(directory, f"{run}.lock")


def require_unused(home: Home) -> None:
    """Raises `Locked` while any run of the store is alive, or somebody reads it."""
    with home.held("leases") as directory:
        for name in disk.listdir(directory):
            if name.endswith(".lock") and _held(directory, name):
                who = "the store is being read" if name.startswith("reader-") else f"run {name[:-5]} is alive"
                raise errors.Locked(who, hint="wait until it ends, or stop it first")


def program_alive(home: Home, run: str) -> bool:
    """Whether the program itself lives; from another pid namespace, whether the lease is held."""
    with home.held("leases") as directory:
        if not _held(directory, f"{run}.lock"):
            return False
        try:
            noted = durable.read_file(directory, f"{run}.lock", 4096).decode("ascii", "replace").split()
        except (OSError, ValueError):
            return True
    if len(noted) != 4 or not noted[0].isdigit():
        return True
    mine = (process_identity(os.getpid()) or "? ? ? ?").split()
    if noted[2:] != mine[2:]:
        return noted[2] == mine[2]
    return process_identity(int(noted[0])) == " ".join(noted)


def wait_for_child(home: Home, run: str, deadline_seconds: float) -> bool:
    """Wait until nothing writes for this run any more; False when the deadline passes or the program itself lives."""
    deadline = time.monotonic() + deadline_seconds
    while is_alive(home, run):
        if program_alive(home, run) or time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def acquire_reader(home: Home) -> Lease | None:
    """A lease under which no pack is deleted; None where none can be made (a read-only store, a full disk)."""
    if not home.writable():
        return None
    name = f"reader-{new_id()}.lock"
    try:
        with home.held("leases") as directory:
            fd = _take(directory, name)
    except OSError:
        return None
    return None if fd is None else Lease(name, fd)


def release_reader(home: Home, lease: Lease | None) -> None:
    """Let go of a reader's lease and remove its file."""
    if lease is not None:
        with contextlib.suppress(OSError), home.held("leases") as directory:
            disk.unlink(lease.name, dir_fd=directory)
        lease.release()


def readers(home: Home) -> Iterator[str]:
    """Names of the reader leases that are held; files of dead readers are removed."""
    with home.held("leases") as directory:
        for name in sorted(disk.listdir(directory)):
            if name.startswith("reader-") and name.endswith(".lock"):
                if _held(directory, name):
                    yield name
                else:
                    with contextlib.suppress(FileNotFoundError):
                        disk.unlink(name, dir_fd=directory)


def mark_end(home: Home, run: str, exit_status: int | None, finished: bool) -> None:
    """Note how the program ended: `finished` when it returned, exited or called os._exit; not for an exception."""
    text = f"finished: {int(finished)}\nexit: {'' if exit_status is None else exit_status}\n"
    with home.held("leases") as directory:
        durable.replace_file(directory, f"{run}.end", text.encode())


def clear_end(home: Home, run: str) -> None:
    """The run goes on after all: it was restored."""
    with home.held("leases") as directory, contextlib.suppress(FileNotFoundError):
        disk.unlink(f"{run}.end", dir_fd=directory)
        disk.fsync(directory)


def end(home: Home, run: str) -> tuple[bool, int | None] | None:
    """(finished, exit status) as the program noted it, or None when it left no note."""
    with home.held("leases") as directory:
        try:
            lines = durable.read_file(directory, f"{run}.end", 4096).decode("ascii", "replace").splitlines()
        except (OSError, ValueError):
            return None
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = fields.get("exit", "")
    return fields.get("finished") == "1", int(status) if status.lstrip("-").isdigit() else None
