"""Rivals that install from the registry, used as their pages say: Moonclip, Ravex and Talo.

pip install pytalo "ravex[moonclip]"
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from method import Folder, Method, TorchMethod, Unfit

HERE = str(Path(__file__).parent)
LONG_SECONDS = 600


class OneModel(TorchMethod):
    """Base: they save one model and one optimizer."""

    def __init__(self, work: Any) -> None:
        super().__init__(work)
        self.folder = Folder("checkpoints")


class Moonclip(OneModel):
    """moonclip.CheckpointManager with its defaults (deltas, zstd, a thread); `flush` waits for its fsyncs."""

    def __init__(self, work: Any) -> None:
        super().__init__(work)
        import moonclip

        self.manager = moonclip.CheckpointManager("checkpoints")
        self.taken = 0

    def take(self) -> None:
        self.taken += 1
        self.manager.save(step=self.taken, model=self.work.model, optimizer=self.work.optimizer)

    def wait(self) -> None:
        self.manager.flush()
        self.written = self.folder.new_bytes()


class Ravex(OneModel):
    """ravex.checkpoint() in a decorated loop, on Moonclip. Left to itself it saves a delta at every step; here it is
    asked for the points that all are asked for.
    """

    def __init__(self, work: Any) -> None:
        super().__init__(work)
        import moonclip  # noqa: F401  without it Ravex falls back to torch.save
        import ravex

        self.ravex = ravex

    def around(self, loop: Callable[[], None]) -> None:
        storage = {"type": "local", "path": "checkpoints"}

        @self.ravex.train_loop(checkpoint_every=10**9, delta=False, resume=False, storage=storage)
        def train() -> None:
            self.ravex.track(self.work.model, self.work.optimizer)
            loop()

        train()

    def take(self) -> None:
        if not self.ravex.checkpoint():
            raise RuntimeError("ravex.checkpoint() wrote nothing")

    def wait(self) -> None:
        self.ravex.flush()
        self.written = self.folder.new_bytes()


class Session:
    """A workload that runs in a Talo session: each step is one `talo run`."""

    def __init__(self, workload: Any) -> None:
        try:
            from talo import client
        except ImportError:
            raise Unfit("not installed (pytalo)") from None
        self.call = client.call
        self.sparse = workload.sparse
        self.home = tempfile.mkdtemp(prefix="talo.", dir=".")
        os.environ["TALO_HOME"] = os.path.abspath(self.home)
        self.call("new", name="bench", python=sys.executable, cwd=os.getcwd())
        self.run(f"import sys; sys.path.insert(0, {HERE!r}); from workloads import WORKLOADS")
        self.run(f"work = WORKLOADS[{workload.name!r}]()")
        self.step()
        self.names = self.run("' '.join(work.state())").strip("'").split()

    def run(self, code: str) -> str:
        job = finished(self.call("run", session="bench", code=code, timeout=LONG_SECONDS))
        return str((job["result"] or {}).get("data", {}).get("text/plain", ""))

    def step(self) -> None:
        self.run("work.step(); globals().update(work.state())")


def finished(job: dict[str, Any]) -> dict[str, Any]:
    if job["status"] != "ok":
        raise RuntimeError(f"talo: {job['status']}, {job.get('error')}")
    return job


class Talo(Method):
    """`talo save` of the state's variables: a fork of the session writes what is new of them, fsynced."""

    def __init__(self, work: Any) -> None:
        super().__init__(work)
        self.taken = 0

    @classmethod
    def prepare(cls, workload: Any) -> Any:
        return Session(workload)

    def around(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        finally:
            self.work.call("shutdown", autostart=False)
            shutil.rmtree(self.work.home, ignore_errors=True)

    def take(self) -> None:
        self.taken += 1
        names = self.work.names
        self.job = self.work.call("save", session="bench", name=f"point{self.taken}", names=names, timeout=0)

    def wait(self) -> None:
        result = finished(self.work.call("job", id=self.job["id"], wait=LONG_SECONDS))["result"]
        if result["skipped"]:
            raise Unfit(f"talo save left out {result['skipped']}")
        self.written = result["new_bytes"]
