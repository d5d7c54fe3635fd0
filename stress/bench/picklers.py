"""What any program can do by itself: nothing, a copy, and pickle with its relatives."""

from __future__ import annotations

import os
import pickle
import types
from collections.abc import Callable
from typing import IO, Any

from method import Method, Unfit


class Nothing(Method):
    """No checkpoint: what the next step costs by itself."""

    fsynced = False


class Memcpy(Method):
    """The limit: the large memory copied, in one thread, into memory that was touched before."""

    fsynced = False

    def __init__(self, work: Any) -> None:
        super().__init__(work)
        import numpy as np

        self.staged = [np.ones_like(array) for array in work.arrays()]

    @classmethod
    def fit(cls, workload: Any) -> None:
        if not workload.large:
            raise Unfit("no large arrays to copy")

    def take(self) -> None:
        import numpy as np

        for target, source in zip(self.staged, self.work.arrays(), strict=True):
            np.copyto(target, source)
        self.written = sum(source.nbytes for source in self.work.arrays())


def synced(path: str, write: Callable[[IO[bytes]], object]) -> int:
    """Have a file written and fsynced; its size."""
    with open(path, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


class Pickle(Method):
    """pickle protocol 5 and fsync, in the program."""

    def take(self) -> None:
        self.written = synced(self.place(), lambda file: pickle.dump(self.work.state(), file, 5))


class Fork(Method):
    """Plain fork: the child does what `Pickle` does."""

    def take(self) -> None:
        place = self.place()
        self.child = os.fork()
        if self.child == 0:
            synced(place, lambda file: pickle.dump(self.work.state(), file, 5))
            os._exit(0)

    def wait(self) -> None:
        os.waitpid(self.child, 0)
        self.written = os.path.getsize(self.places[-1])


class Joblib(Method):
    """joblib.dump and fsync."""

    def take(self) -> None:
        import joblib

        self.written = synced(self.place(), lambda file: joblib.dump(self.work.state(), file))


class Dill(Method):
    """dill.dump_module of a module that holds the state, and fsync."""

    def take(self) -> None:
        import dill

        module = types.ModuleType("program")
        module.__dict__.update(self.work.state())
        self.written = synced(self.place(), lambda file: dill.dump_module(file, module))
