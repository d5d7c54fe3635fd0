"""The folder one stretch of work happens in: what is mounted where, where keys and anchors lie, the writer's start."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from power import mounts
from power.plants import VARIABLE

HERE = Path(__file__).parent
LIES = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync",
        "-e", "inject=fsync,fdatasync:retval=0"]  # fmt: skip
"""Runs a program whose every fsync returns 0 and does nothing."""

_WRITER_SECONDS_MAX = 80


class Place:
    """`apart`: keys and anchors lie on another filesystem than the store, one whose power stays on."""

    def __init__(self, folder: Path, filesystem: str, *, apart: bool) -> None:
        self.filesystem = filesystem
        self.apart = apart
        self.image = folder / "image"
        self.log = folder / "log"
        self.disk = folder / "disk"  # the logging disk's FUSE mount
        self.live = folder / "live"  # the filesystem the writer works on
        self.back = folder / "back"  # a filesystem after its power was cut
        self.elsewhere = folder / "elsewhere"
        for path in (self.disk, self.live, self.back, self.elsewhere):
            path.mkdir()

    def homes(self, mount: Path, state: str = "state") -> tuple[str, str]:
        """(XDG_CONFIG_HOME, XDG_STATE_HOME) for the store on this mount."""
        base = self.elsewhere if self.apart else mount
        return str(base / "config"), str(base / state)

    def store(self, mount: Path) -> str:
        return str(mount / "work" / ".forkpoint")

    def put_anchor(self, state_name: str, name: str, anchor: str) -> None:
        """Elsewhere, the anchor as it was when the power went: under this state directory."""
        state = self.elsewhere / state_name
        shutil.rmtree(state, ignore_errors=True)
        if name:
            path = state / name
            path.parent.mkdir(parents=True)
            path.write_bytes(bytes.fromhex(anchor))

    def start_writer(self, notes: Path, *, lies: bool, plant: str, **task: Any) -> subprocess.Popen[bytes]:
        config, state = self.homes(self.live)
        task |= {"store": self.store(self.live), "notes": str(notes)}
        environment = {**os.environ, "XDG_CONFIG_HOME": config, "XDG_STATE_HOME": state, VARIABLE: plant}
        command = [sys.executable, str(HERE / "writer.py"), json.dumps(task)]
        return subprocess.Popen([*(LIES if lies else []), *command], env=environment, stderr=subprocess.PIPE)

    @contextlib.contextmanager
    def logging_disk(self) -> Iterator[int]:
        """A disk that begins as the image and logs, for the length of a `with`; then its log is whole."""
        command = [sys.executable, str(HERE / "disk.py"), str(self.image), str(self.disk), str(self.log)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert server.stdout is not None
        try:
            if server.stdout.readline() != b"ready\n":
                raise RuntimeError("the disk did not start")
            file = os.open(self.disk / "disk", os.O_RDWR | os.O_CLOEXEC)
            try:
                yield file
            finally:
                os.close(file)
                mounts.unmount(str(self.disk))
        except BaseException:
            server.kill()
            raise
        finally:
            server.wait()
            server.stdout.close()

    def record(self, chance: random.Random, *, lies: bool, plant: str, **task: Any) -> None:
        """Let the writer work on the logging disk until it is done."""
        with self.logging_disk() as file, mounts.mounted(file, str(self.live), self.filesystem):
            writer = self.start_writer(self.disk / "notes", lies=lies, plant=plant, **task)
            try:
                while lies and writer.poll() is None:
                    self.write_back(chance)
            finally:
                end(writer, _WRITER_SECONDS_MAX)

    def write_back(self, chance: random.Random) -> None:
        """What the kernel does in its own time: a file, or everything, goes to the disk after all."""
        time.sleep(chance.random() * 0.5)
        files = [path for path in self.live.rglob("*") if path.is_file()]
        if files and chance.random() < 0.7:
            with contextlib.suppress(FileNotFoundError), open(chance.choice(files), "rb") as file:
                os.fdatasync(file.fileno())
        else:
            mounts.sync(self.live)


def end(writer: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the writer, not longer than this. Raises RuntimeError with its words if it failed."""
    try:
        _, words = writer.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        writer.kill()
        _, words = writer.communicate()
    finally:
        writer.kill()
        writer.wait()
    if writer.returncode:
        raise RuntimeError(f"the writer failed: {words.decode(errors='replace')[-2000:]}")
