"""What a way to checkpoint is: `take` returns at once or when done, `wait` when the point is as durable as it gets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

POINTS_KEPT = 5
"""Of each method, as forkpoint keeps by default: none saves in the place of what it would need if it were killed."""


class Unfit(Exception):
    """The method cannot save this workload; says why."""


class Method:
    """Base: what a method keeps of the workload, and where it writes."""

    fsynced = True
    """Whether what `wait` waited for outlives a power cut: its files, at least, are fsynced."""

    def __init__(self, work: Any) -> None:
        self.work = work
        self.written = 0
        self.places: list[str] = []

    @classmethod
    def fit(cls, workload: Any) -> None:
        """Raise `Unfit` where the method has nothing to do with such a workload."""

    @classmethod
    def prepare(cls, workload: Any) -> Any:
        """The running workload: made here, unless the method has it run somewhere else."""
        return workload()

    def around(self, loop: Callable[[], None]) -> None:
        """Run the program's loop, in whatever the method wants around it."""
        loop()

    def take(self) -> None:
        """Checkpoint; the time of this call is the stop."""

    def wait(self) -> None:
        """Return when it is durable, with `written` the bytes of it."""

    def place(self) -> str:
        """A new name for the file or directory of one point."""
        self.places.append(f"point{len(self.places)}")
        return self.places[-1]

    def tidy(self) -> None:
        """Once a point is there, remove the one that is too many; not timed."""
        for old in self.places[-POINTS_KEPT - 1 : -POINTS_KEPT]:
            shutil.rmtree(old) if os.path.isdir(old) else os.unlink(old)


class TorchMethod(Method):
    """Base of those that save a torch model and its optimizer."""

    @classmethod
    def fit(cls, workload: Any) -> None:
        if not workload.trained:
            raise Unfit("saves torch models")


class Folder:
    """A directory some library writes to: how many bytes are new in it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.known: set[tuple[str, int, int]] = set()

    def new_bytes(self) -> int:
        """Of the files that were made or changed since the last call."""
        found = {}
        for folder, _, names in os.walk(self.path):
            for name in names:
                about = os.stat(os.path.join(folder, name))
                found[folder + name, about.st_ino, about.st_mtime_ns] = about.st_size
        fresh = found.keys() - self.known
        self.known = set(found)
        return sum(found[file] for file in fresh)
