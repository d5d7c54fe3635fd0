"""A stand-in for a program: its state is a few buffers, and it commits them the way the engine does.

`commit` runs in this process (the tests fork nothing, so they may open the journal); `commit_in_child` forks by
starting a new interpreter that writes the pack and becomes the committer, and can be made to die on the way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forkpoint import model, report
from forkpoint.journal import columns, committer, connection, known, lease, pack, packfile, writer
from forkpoint.journal.handover import PackInfo
from forkpoint.journal.home import Home, new_id
from forkpoint.journal.plan import RestorePlan
from forkpoint.journal.runs import RunInfo

ROOT = Path(report.__file__).parents[1]
State = list[bytes]


def manifest(
    run: str, point: str, parent: str | None, chunks: tuple[bytes, ...], *, length: int = 0, **changes: Any
) -> model.Manifest:
    """A manifest of one buffer pod."""
    fields: dict[str, Any] = {
        "label": None, "trigger": "explicit", "created_at": "2026-01-01T00:00:00+00:00",
        "location": "train.py:42 in main", "complete": True, "stdout_bytes": 0,
        "split_ms": {"wait": 0.0, "capture": 0.5, "stage": 0.0, "fork": 1.5}, "stop_ms": 2.0, "bytes_total": 10,
        "variables": (model.Variable("x", "list", "3 items", 10),), "tombstones": (), "refusals": (), "files": (),
        "provenance": {"argv": ["train.py"]},
    }  # fmt: skip
    pods = (model.Pod("buffer/0", "buffer", length, chunks),)
    return model.Manifest(point=point, run=run, parent=parent, pods=pods, **{**fields, **changes})


def content(home: Home, plan: RestorePlan) -> State:
    """The state a restore point holds, read as a restore reads it."""
    source = packfile.PackReader(home, plan)
    try:
        return [source.get(chunk) for pod in plan.manifest.pods for chunk in pod.chunks]
    finally:
        source.close()


class Program:
    """Holds a run's lease and commits states."""

    def __init__(self, home: Home, run: str | None = None, parent: str | None = None) -> None:
        self.home = home
        self.run = RunInfo(run or new_id(), "train.py", ["train.py", "--fast"], "/work", created_at="2026-01-01")
        self.parent = parent
        self.lease: lease.Lease | None = lease.acquire(home, self.run.id)

    def die(self) -> None:
        """End without a word."""
        if self.lease is not None:
            self.lease.release()
            self.lease = None

    def write_pack(
        self, state: State, point: str, meanwhile: Callable[[], object] | None = None, **changes: Any
    ) -> tuple[PackInfo, model.Manifest]:
        """What the child does before there is something to commit; `meanwhile` while the disk works."""
        sink = pack.PackWriter(self.home, self.run, point, known.load(self.home, self.run.id, self.parent))
        chunks = tuple(sink.put(data, "buffer", 4) for data in state)
        made = manifest(self.run.id, point, self.parent, chunks, length=sum(map(len, state)), **changes)
        return sink.finish(made, meanwhile), made

    def rows(self, made: model.Manifest, info: PackInfo) -> tuple[dict[str, Any], PackInfo, dict[str, Any]]:
        """What the committer gets of run, pack and restore point."""
        return columns.of_run(self.home, self.run), info, columns.of_point(self.home, made)

    def commit(self, state: State, **changes: Any) -> str:
        """Commit durably; the restore point's id."""
        point = new_id()
        info, made = self.write_pack(state, point, **changes)
        with self.home.writer_lock():
            db = connection.open_writer(self.home)
            try:
                writer.commit(db, self.home, *self.rows(made, info), lambda: 1.0)
            finally:
                db.close()
        self.parent = point
        return point

    def commit_in_child(
        self, state: State, fault: str = "", keep_last: int = 0, beside: bool = False, first: str = ""
    ) -> tuple[str, report.Report]:
        """Commit in a process of its own, which may be told to die, or to run some code first; what it reported."""
        point = new_id()
        receiver, sender = os.pipe()
        task = {
            "path": self.home.path, "run": self.run.fields(), "parent": self.parent, "point": point,
            "state": [data.hex() for data in state], "report_fd": sender, "keep_last": keep_last,
            "lease_fd": self.lease.fd if self.lease else -1, "beside": beside,
        }  # fmt: skip
        paths = os.pathsep.join([str(ROOT), os.path.dirname(__file__)])
        environment = {**os.environ, "PYTHONPATH": paths, "FORKPOINT_FAULT": fault}
        done = subprocess.run(
            [sys.executable, "-c", f"import journal_program\n{first}\njournal_program.main()", json.dumps(task)],
            env=environment, cwd=ROOT, pass_fds=[sender, *([self.lease.fd] if self.lease else [])], check=False,
        )  # fmt: skip
        os.close(sender)
        answer = report.decode(os.read(receiver, report.SIZE))
        os.close(receiver)
        assert fault.endswith("kill") == (done.returncode in (-9, 137)) or not fault
        if answer.status == "K":
            self.parent = point
        return point, answer


def main() -> None:
    from forkpoint.journal.home import open_home

    task = json.loads(sys.argv[1])
    started = time.monotonic_ns()
    child = Program.__new__(Program)
    child.home = open_home(task["path"])
    child.run = RunInfo.from_fields(task["run"])
    child.parent = task["parent"]
    ready = committer.Committer(task["report_fd"], task["lease_fd"], encrypted=child.home.encrypted)
    state = [bytes.fromhex(data) for data in task["state"]]
    info, made = child.write_pack(state, task["point"], ready.start if task["beside"] else None)
    ready.commit(
        child.home, *child.rows(made, info),
        started_ns=started, encode_ms=1.0,
        keep_last=task["keep_last"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
