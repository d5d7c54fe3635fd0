"""Ways to checkpoint a workload: `take` returns at once or when done, `wait` when the bytes are durable."""

from __future__ import annotations

import os
import pickle
import shutil
from typing import Any


class Method:
    """Base: what a method keeps of the workload, and where it writes."""

    def __init__(self, work: Any) -> None:
        self.work = work
        self.written = 0

    def take(self) -> None:
        """Checkpoint; the time of this call is the stop."""

    def wait(self) -> None:
        """Return when it is durable, with `written` the bytes of it."""


class Nothing(Method):
    """No checkpoint: what the next step costs by itself."""


class Memcpy(Method):
    """The limit: the large memory copied, in one thread, into memory that was touched before."""

    def __init__(self, work: Any) -> None:
        super().__init__(work)
        import numpy as np

        self.staged = [np.ones_like(array) for array in work.arrays()]

    def take(self) -> None:
        import numpy as np

        for target, source in zip(self.staged, self.work.arrays(), strict=True):
            np.copyto(target, source)
        self.written = sum(source.nbytes for source in self.work.arrays())


class Fork(Method):
    """Plain fork: the child pickles the state and fsyncs."""

    def take(self) -> None:
        self.child = os.fork()
        if self.child == 0:
            _pickle(self.work.state())
            os._exit(0)

    def wait(self) -> None:
        os.waitpid(self.child, 0)
        self.written = os.path.getsize("state.pickle")


class Pickle(Method):
    """pickle protocol 5 and fsync, in the program."""

    def take(self) -> None:
        self.written = _pickle(self.work.state())


def _pickle(state: Any) -> int:
    with open("state.pickle", "wb") as file:
        pickle.dump(state, file, 5)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


class TorchSave(Method):
    """torch.save and fsync, in the program."""

    def take(self) -> None:
        import torch

        with open("state.pt", "wb") as file:
            torch.save(self.work.state(), file)
            file.flush()
            os.fsync(file.fileno())
            self.written = file.tell()


class DcpThread(Method):
    """torch.distributed.checkpoint.async_save by thread."""

    def __init__(self, work: Any) -> None:
        super().__init__(work)
        import torch.distributed

        address = f"file://{os.path.abspath('meeting')}"
        torch.distributed.init_process_group("gloo", init_method=address, rank=0, world_size=1)

    def take(self) -> None:
        from torch.distributed import checkpoint

        shutil.rmtree("dcp", ignore_errors=True)
        self.answer = checkpoint.async_save(self.work.state(), checkpoint_id="dcp")

    def wait(self) -> None:
        self.answer.result()
        self.written = sum(file.stat().st_size for file in os.scandir("dcp"))


class Forkpoint(Method):
    """forkpoint.checkpoint(), with its defaults."""

    def take(self) -> None:
        import forkpoint

        self.point = forkpoint.checkpoint()

    def wait(self) -> None:
        from forkpoint import api

        before = api._engine.totals.bytes_new
        assert self.point.wait(), self.point.reason
        self.written = api._engine.totals.bytes_new - before


class ForkpointUnstaged(Forkpoint):
    """The same without staging: plain copy-on-write."""

    def __init__(self, work: Any) -> None:
        super().__init__(work)
        os.environ["FORKPOINT_MAX_STAGING_BYTES"] = "0"


METHODS = {
    "none": Nothing,
    "memcpy": Memcpy,
    "forkpoint": Forkpoint,
    "forkpoint-unstaged": ForkpointUnstaged,
    "fork": Fork,
    "dcp-thread": DcpThread,
    "torch.save": TorchSave,
    "pickle": Pickle,
}
