#!/usr/bin/env python3
"""The filesystem with the store turns read-only under a running program, or dies, and comes back (row 10).

    python stress/read_only_disk.py [--python PATH] [--plant BUG] [KIND ...]

Holds: commits fail and each failure is said; the program goes on; `log` and `verify` answer as before while it can be
read; once it can be written to again, commits succeed again; the output is that of a run without forkpoint. Each is
done twice: the second time the program is killed while nothing can be written, and restored once it can.
Exit status 77 where there are neither root nor user namespaces.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fed import Broken, Fed, Plant, image, in_a_namespace, mount, parse, remount, table, unmount

PLANTS = {
    "silent": Plant("engine.py", "            say(message)\n", "            pass\n"),
    "raise": Plant("engine.py", 'if self.settings.on_error == "raise":', "if True:"),
    "give-up": Plant(
        "engine.py", "        self.totals.failed += 1\n", "        self.pause()\n        self.totals.failed += 1\n"
    ),
}


@dataclass(frozen=True, slots=True)
class Disk:
    """A place for a store, how to make it one that cannot be written to, and how to bring it back."""

    store: Path
    stop: Callable[[], None]
    back: Callable[[], None]
    in_use: bool = True
    """Whether it comes back while the program lives."""


@contextmanager
def covered(folder: Path) -> Iterator[Disk]:
    """Whatever is opened from now on is opened read-only. `mount -o remount,ro` itself is refused while a program
    runs (EBUSY): its lease is open for writing.
    """
    mount("tmpfs", folder, "-o", "size=64m", "none")

    def stop() -> None:
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True, capture_output=True)
        remount(folder, "bind,ro")

    try:
        yield Disk(folder / "store", stop, lambda: unmount(folder))
    finally:
        unmount(folder)
        unmount(folder)


@contextmanager
def ext4(folder: Path, stop: Callable[[Path], None]) -> Iterator[Disk]:
    """It is back when it is mounted again, which replays its journal."""
    file = folder.with_suffix(".img")
    image(file, 64)
    options = ("-o", "loop,errors=remount-ro", str(file))
    mount("ext4", folder, *options)

    def back() -> None:
        for _ in range(100):  # until the killed program's last child is gone
            if subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        mount("ext4", folder, *options)

    try:
        yield Disk(folder / "store", lambda: stop(folder), back, in_use=False)
    finally:
        unmount(folder)


def aborted(folder: Path) -> None:
    """What the kernel does to ext4 when it finds an error: read-only under everybody who has files open."""
    remount(folder, "abort")


def shut_down(folder: Path) -> None:
    """As when the device is gone: every call answers EIO."""
    subprocess.run(["xfs_io", "-x", "-c", "shutdown", str(folder)], check=True, capture_output=True)


KINDS = {
    "covered": covered,
    "error": partial(ext4, stop=aborted),
    "dead": partial(ext4, stop=shut_down),
}


def one(kind: str, scratch: Path, options: argparse.Namespace, *, killed: bool) -> str:
    """One run of the program. Raises `Broken`; returns what was counted."""
    scratch.mkdir()
    env = PLANTS[options.plant].sow(scratch) if options.plant else {}
    with ExitStack() as later:
        disk = later.enter_context(KINDS[kind](scratch / "disk"))
        fed = Fed(scratch / "bench", options.python, disk.store, env, batches=(10, 100, 10, 10))
        later.callback(fed.stop)
        oracle = fed.oracle()
        fed.start()
        fed.feed(1)
        fed.wait_for_points(2)
        fed.wait_for_batch(1)
        disk.stop()
        fed.feed(2)
        fed.wait_for_failures(2)
        fed.wait_for_batch(2)
        before = []
        if kind != "dead":
            before = fed.points()
            fed.ask("verify")
            refused = fed.bench.ask("forget", "--keep-last", "1")
            if refused.status <= 0 or not refused.err.startswith(b"forkpoint: "):
                raise Broken(f"forget: exit {refused.status}, {refused.err.decode()}")
        failures = len(fed.failures())
        if killed:
            fed.kill()
            disk.back()
            fed.restore()
        elif disk.in_use:
            disk.back()
        if killed or disk.in_use:
            fed.feed(3)
            fed.wait_for_points(2, [point["id"] for point in before or fed.points()])
        ran = fed.end(oracle)
        if not killed and b" failed, " not in ran.err:
            raise Broken(f"the last line does not count the failed commits\n{ran.err.decode()}")
        if killed or disk.in_use:
            fed.ask("verify")
        elif b"could not be recorded" not in ran.err:
            raise Broken(f"the end was not recorded, and nothing says so\n{ran.err.decode()}")
    return f"{failures} failed and said, the last line: {ran.err.decode().rstrip().splitlines()[-1]}"


def main() -> int:
    options = parse(__doc__, KINDS, PLANTS)
    in_a_namespace()
    with tempfile.TemporaryDirectory(prefix="read_only_disk.") as scratch:
        return table(
            (
                f"{kind}, {then}",
                partial(one, kind, Path(scratch) / f"{kind} {then}", options, killed=then == "restored"),
            )
            for kind in options.kinds or KINDS
            for then in ("goes on", "restored")
        )


if __name__ == "__main__":
    sys.exit(main())
