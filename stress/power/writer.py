"""The program whose power is cut: it commits restore points as programs do, and notes what it was told.

    python stress/power/writer.py '{"store": .., "notes": .., "seed": .., "commits": .., "continue": .., "bad": ..}'

Children are forked and start their committer, or become it; some are killed on the way, some have a pack or the WAL
meet a bad block (where `bad` says that the disk can do that). Retention follows commits, forgetting happens beside
them, readers hold the journal so that its WAL is not cut but written over, and a new run goes on from the last restore
point.

`notes` is a file; each note is one write, and stands before anything that is done because of it.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "stress"), str(ROOT / "tests" / "unit" / "journal"), str(ROOT)]

from power import mounts, plants  # noqa: E402

plants.install()

from journal_program import Program  # noqa: E402
from power.ledger import digest  # noqa: E402

from forkpoint import errors, report  # noqa: E402
from forkpoint.journal import committer, connection, helper  # noqa: E402
from forkpoint.journal import home as homes  # noqa: E402
from forkpoint.journal.retention import Policy, forget  # noqa: E402

PIECES = [random.Random(n).randbytes(40 + 3000 * n) for n in range(8)]
"""Stored once, by whichever commit is first; later ones rely on its pack."""

_SECONDS_MAX = 60
"""A writer that takes longer hangs, and says where."""


def forked(work: Callable[[], object]) -> int:
    """`work` in a child, which may do what the program must not: open the journal."""
    child = os.fork()
    if not child:
        status = 1
        try:
            mounts.die_with_parent()
            work()
            status = 0
        finally:
            os._exit(status)
    return child


class Writer:
    def __init__(self, task: dict[str, Any]) -> None:
        self.chance = random.Random(task["seed"])
        self.notes = os.open(task["notes"], os.O_WRONLY | os.O_APPEND)
        self.bad: bool = task["bad"]
        self.home = homes.create(task["store"])
        name = os.path.relpath(self.home.anchor_path, os.environ["XDG_STATE_HOME"])
        self.note("made", anchor=self.anchor(), anchor_name=name)
        self.program = Program(self.home)
        if task["continue"]:
            self.program.parent = self.newest()
        self.reader: tuple[int, int] | None = None

    def note(self, what: str, **fields: Any) -> None:
        os.write(self.notes, json.dumps({"what": what, **fields}).encode() + b"\n")

    def anchor(self) -> str:
        return Path(self.home.anchor_path).read_bytes().hex()

    def newest(self) -> str | None:
        """What a program that is started again goes on from."""
        return next((run["points"][0]["id"] for run in helper.ask(self.home, "runs") if run["points"]), None)

    def commit(self) -> None:
        chance, program = self.chance, self.program
        state = [*chance.sample(PIECES, 3), chance.randbytes(chance.choice([50, 5000, 120_000]))]
        point, keep = homes.new_id(), chance.choice([1, 2, 3, 4])
        place = f"train.py:{chance.randrange(10**12)}"
        self.note("begin", point=point, run=program.run.id, keep=keep, state=digest(state))
        if self.bad and chance.random() < 0.12:
            pattern = chance.choice([b"FKPTPACK", place.encode()])  # a pack's header; the row in the WAL
            os.write(self.notes, b"bad " + pattern.hex().encode())
        receiver, sender = os.pipe()
        child = forked(lambda: self.encode_and_commit(state, point, sender, keep, place))
        os.close(sender)
        if chance.random() < 0.15:
            time.sleep(chance.random() * 0.15)
            os.kill(child, 9)
        answer = report.decode(os.read(receiver, report.SIZE))
        os.close(receiver)
        if answer.status == "K":
            self.note("ack", point=point, anchor=self.anchor())
        os.waitpid(child, 0)
        if answer.status == "F":
            self.note("failed", point=point)
        elif answer.status == "?":
            there = helper.ask(self.home, "has", point=point)
            self.note("asked", point=point, there=there, anchor=self.anchor())
            if not there:
                return
        if answer.status != "F":
            program.parent = point

    def encode_and_commit(self, state: list[bytes], point: str, sender: int, keep: int, place: str) -> None:
        assert self.program.lease is not None
        ready = committer.Committer(sender, self.program.lease.fd)
        beside = ready.start if len(state[-1]) > 50 else None
        info, manifest = self.program.write_pack(state, point, beside, location=place)
        ready.commit(
            self.home, *self.program.rows(manifest, info),
            started_ns=committer.clock_ns(), encode_ms=0.0, keep_last=keep,
        )  # fmt: skip

    def forget(self) -> None:
        keep = self.chance.choice([1, 2, 3])
        self.note("forget", keep=keep)
        os.waitpid(forked(lambda: forget(self.home, Policy(keep))), 0)

    def read_on(self) -> None:
        """A reader that goes on while others write; or its end."""
        if self.reader is None:
            ended, end = os.pipe()
            begun, begin = os.pipe()

            def read() -> None:
                os.close(end)
                with connection.reading(self.home):
                    os.write(begin, b".")
                    os.read(ended, 1)

            self.reader = forked(read), end
            for fd in (ended, begin):
                os.close(fd)
            os.read(begun, 1)
            os.close(begun)
        else:
            child, end = self.reader
            self.reader = None
            os.close(end)
            os.waitpid(child, 0)

    def new_run(self) -> None:
        parent = self.program.parent
        self.program.die()
        self.program = Program(self.home, None, parent)

    def go_on(self, commits: int) -> None:
        done = 0
        while done < commits:
            [step] = self.chance.choices([self.commit, self.forget, self.read_on, self.new_run], [70, 6, 18, 6])
            step()
            done += step == self.commit
        if self.reader is not None:
            self.read_on()
        self.program.die()


def main() -> None:
    mounts.die_with_parent()
    faulthandler.dump_traceback_later(_SECONDS_MAX)
    committer._BOOT = committer._BOOT.replace(
        "main(*", f"sys.path[:0] = [{str(ROOT / 'stress')!r}]\nfrom power import plants\nplants.install()\nmain(*"
    )
    assert "plants" in committer._BOOT
    task = json.loads(sys.argv[1])
    try:
        Writer(task).go_on(task["commits"])
    except (OSError, errors.ForkpointError):
        if alive(os.path.dirname(task["store"])):
            raise  # else the filesystem gave up: it was shut down, or the bad block was one of its own


def alive(folder: str) -> bool:
    """Whether the filesystem can still be written to."""
    try:
        with open(os.path.join(folder, "alive"), "wb") as file:
            os.fsync(file.fileno())
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
