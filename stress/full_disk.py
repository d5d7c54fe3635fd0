#!/usr/bin/env python3
"""The disk with the store fills up under a running program, and has room again (row 5).

    python stress/full_disk.py [--python PATH] [--plant BUG] [KIND ...]

Holds, for each kind of full: commits fail and each failure is said; the program goes on; `log` and `verify` answer as
before, `forget` works, and no point that was acknowledged is gone but by it; with room again, commits succeed again;
the output is that of a run without forkpoint. Each is done twice: the second time the program is killed while the disk
is full and restored there. Mounts need root or user namespaces; exit status 77 where neither is.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fed import Broken, Fed, Plant, image, in_a_namespace, mount, parse, remount, table, unmount

PLANTS = {
    "silent": Plant("engine.py", "            say(message)\n", "            pass\n"),
    "raise": Plant("engine.py", 'if self.settings.on_error == "raise":', "if True:"),
    "reserve": Plant("journal/retention.py", "            free_reserve(root)\n", "            pass\n"),
    "restored": Plant("cli/comeback.py", "            home.free_reserve(root)\n", "            pass\n"),
    "holes": Plant("journal/connection.py", "    return facts.f_frsize >= ", "    return True or facts.f_frsize >= "),
}

FILE_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Disk:
    """A place for a store, and how to make it full and give it room."""

    store: Path
    fill: Callable[[Fed], None]
    is_full: Callable[[], bool]
    room: Callable[[Fed], None]
    prefix: tuple[str, ...] = ()


@contextmanager
def of_state(folder: Path) -> Iterator[Disk]:
    """What the program holds is more than the filesystem does: there is room, but never enough."""
    mount("tmpfs", folder, "-o", "size=4m", "none")
    try:
        yield Disk(folder / "store", lambda _: None, lambda: True, lambda _: remount(folder, "size=64m"))
    finally:
        unmount(folder)


@contextmanager
def of_bytes(folder: Path) -> Iterator[Disk]:
    """Another program's file takes every block."""
    mount("tmpfs", folder, "-o", "size=32m", "none")
    try:
        yield Disk(folder / "store", lambda _: big_file(folder), lambda: full(folder), lambda _: gone(folder))
    finally:
        unmount(folder)


@contextmanager
def of_inodes(folder: Path) -> Iterator[Disk]:
    """Another program's files take every inode."""
    mount("tmpfs", folder, "-o", "size=64m,nr_inodes=400", "none")
    try:
        yield Disk(folder / "store", lambda _: empty_files(folder), lambda: full(folder), lambda _: gone(folder))
    finally:
        unmount(folder)


@contextmanager
def of_ext4(folder: Path) -> Iterator[Disk]:
    """Another program's file takes every block of a journaling filesystem."""
    file = folder.with_suffix(".img")
    image(file, 32)
    mount("ext4", folder, "-o", "loop", str(file))
    try:
        yield Disk(folder / "store", lambda _: big_file(folder), lambda: full(folder), lambda _: gone(folder))
    finally:
        unmount(folder)


@contextmanager
def of_file_size(folder: Path) -> Iterator[Disk]:
    """No file of the program or its children may be larger than a limit (RLIMIT_FSIZE). Nobody else has it."""
    folder.mkdir()
    yield Disk(
        store=folder / "store",
        fill=lambda fed: limit(fed, FILE_BYTES_MAX),
        is_full=lambda: True,
        room=lambda fed: limit(fed, resource.RLIM_INFINITY),
    )


KINDS = {"state": of_state, "bytes": of_bytes, "inodes": of_inodes, "ext4": of_ext4, "file-size": of_file_size}


def full(folder: Path) -> bool:
    facts = os.statvfs(folder)
    return facts.f_bavail == 0 or facts.f_favail == 0


def gone(folder: Path) -> None:
    """The other program has removed its own."""
    for file in folder.glob("of another program.*"):
        file.unlink()


def empty_files(folder: Path) -> None:
    for n in range(10_000):
        try:
            (folder / f"of another program.{n}").touch()
        except OSError:
            return
    raise AssertionError("the inodes never end")


def big_file(folder: Path) -> None:
    with (folder / "of another program.0").open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 10):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass


def limit(fed: Fed, size: int) -> None:
    assert fed.started is not None
    resource.prlimit(fed.started.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def one(kind: str, scratch: Path, options: argparse.Namespace, *, killed: bool) -> str:
    """One run of the program with a disk that fills. Raises `Broken`; returns what was counted."""
    scratch.mkdir()
    env = PLANTS[options.plant].sow(scratch) if options.plant else {}
    with ExitStack() as later:
        disk = later.enter_context(KINDS[kind](scratch / "disk"))
        fed = Fed(scratch / "bench", options.python, disk.store, env)
        later.callback(fed.stop)
        oracle = fed.oracle()
        fed.start()
        fed.feed(1)
        fed.wait_for_points(2)
        fed.wait_for_batch(1)
        fed.wait_for_points(1, [point["id"] for point in fed.points()])  # one that has it all
        make_full(fed, disk)
        fed.feed(2)
        fed.wait_for_failures(2)
        fed.wait_for_batch(2)
        while_full(fed, disk)
        failures = len(fed.failures())
        if killed:
            fed.kill_and_restore()
            if kind == "file-size":
                fed.until("the restored program", lambda: bool(fed.ran().err))
                disk.fill(fed)
            fed.wait_for_failures(1)
        before = [point["id"] for point in fed.points()]
        disk.room(fed)
        fed.feed(3)
        fed.wait_for_points(2, before)
        ran = fed.end(oracle)
        if b" failed, " not in ran.err:
            raise Broken(f"the last line does not count the failed commits\n{ran.err.decode()}")
        fed.ask("verify")
    return f"{failures} failed and said, the last line: {ran.err.decode().rstrip().splitlines()[-1]}"


def make_full(fed: Fed, disk: Disk) -> None:
    """Fill it, also with what a commit at work gives back meanwhile."""
    for _ in range(100):
        disk.fill(fed)
        if disk.is_full():
            return
    raise AssertionError("the disk is not full: nothing is shown")


def while_full(fed: Fed, disk: Disk) -> None:
    """No room: what the store holds can be read as ever, and forgetting works."""
    before = fed.points()
    if not before:
        raise Broken("no restore point is left")
    fed.ask("verify")
    fed.ask("show", "latest")
    make_full(fed, disk)
    fed.ask("forget", "--keep-last", "1")
    after = fed.points()
    if not after or after[0]["seq"] < before[0]["seq"]:
        raise Broken(f"forget took the newest point {before[0]['id']}: {[point['id'] for point in after]}")
    fed.ask("verify", "--deep", after[0]["id"])


def small_blocks(kind: str, scratch: Path, options: argparse.Namespace) -> str:
    """Blocks of 1 KiB, nine of them free, the reserve gone: SQLite's shared memory would be a file with holes."""
    folder, file = scratch / "disk", scratch / "disk.img"
    scratch.mkdir()
    image(file, 32, "-b", "1024")
    mount("ext4", folder, "-o", "loop", str(file))
    env = PLANTS[options.plant].sow(scratch) if options.plant else {}
    try:
        fed = Fed(scratch / "bench", options.python, folder / "store", env)
        oracle = fed.oracle()
        fed.start()
        fed.feed(1)
        fed.wait_for_points(2)
        fed.kill()
        for reserve in fed.bench.store.glob("reserve.*"):
            reserve.unlink()
        fed.ask("log")  # folds the journal, so that its shared memory has to be made again
        big_file(folder)
        with (folder / "of another program.0").open("ab") as other:
            os.fsync(other.fileno())
            other.truncate(other.tell() - (9 << 10))
        fed.ask("log")
        fed.ask("verify")
        refused = fed.bench.ask("forget", "--keep-last", "1")
        if refused.status not in (0, 1):
            raise Broken(f"forget: exit {refused.status}")
        gone(folder)
        fed.restore()
        fed.end(oracle)
    finally:
        unmount(folder)
    return f"forget, without room or reserve: {refused.err.decode().rstrip() or 'works'}"


ROWS: dict[tuple[str, str], Callable[[str, Path, argparse.Namespace], str]] = {
    **{(kind, "goes on"): partial(one, killed=False) for kind in KINDS},
    **{(kind, "restored"): partial(one, killed=True) for kind in KINDS},
    ("small-blocks", "restored"): small_blocks,
}


def main() -> int:
    options = parse(__doc__, sorted({kind for kind, _ in ROWS}), PLANTS)
    chosen = [row for row in ROWS if not options.kinds or row[0] in options.kinds]
    if any(kind != "file-size" for kind, _ in chosen):
        in_a_namespace()
    with tempfile.TemporaryDirectory(prefix="full_disk.") as scratch:
        return table(
            ((f"{kind}, {then}", partial(ROWS[kind, then], kind, Path(scratch) / f"{kind} {then}", options)))
            for kind, then in chosen
        )


if __name__ == "__main__":
    sys.exit(main())
