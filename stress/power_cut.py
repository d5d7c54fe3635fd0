"""The power is cut under a program that commits, again and again: what was acknowledged is there, and nothing is wrong.

    python stress/power_cut.py [--filesystem ext4|xfs] [--images N] [--seed S] [--fault cut|shutdown|lies]
                               [--plant NAME] [--keep FOLDER]

`cut` logs every write and flush of the disk under a real filesystem, and builds disks as a power cut may leave them:
all that was written before the last flush, any part of what was written since, some of it torn at 512 bytes. The
kernel mounts each, recovers its journal, and the store on it is looked at (see power/judge.py). A session's disk often
begins as one that a cut of the session before left, so that recoveries are cut too.
`shutdown` stops the filesystem under the running program (XFS_IOC_GOINGDOWN, as `xfs_io -x -c shutdown`) and mounts it
again. `lies` is `cut` with fsyncs that do nothing: then work may be lost, but not in silence.

Exits 1 when something promised did not hold; with `--plant`, when that bug went unnoticed; 77 where it cannot be done:
it needs root, /dev/fuse, loop devices and the filesystem's mkfs; `lies` needs strace. All mounts are this process's own
and end with it, and so does the folder in memory that the disks lie in.
"""

from __future__ import annotations

import argparse
import collections
import copy
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from power import blocklog, judge, mounts, plants
from power.judge import Verdict
from power.ledger import Ledger
from power.place import Place, end

CANNOT = 77
IMAGES_A_SESSION = 100
COMMITS = 25
SESSIONS_A_DISK = 4
SHUTDOWNS_A_DISK = 8
SHUTDOWN_SECONDS_MAX = 20
GOOD = {"cut": {judge.PASS}, "shutdown": {judge.PASS}, "lies": {judge.PASS, judge.REFUSED}}


def come_back(place: Place, file: int, ledger: Ledger, fault: str) -> Verdict:
    """Mount a disk whose power was cut, and judge the store on it."""
    state = "state-back" if place.apart else "state"
    if place.apart:
        place.put_anchor(state, ledger.anchor_name, ledger.anchor)
    judge.use(*place.homes(place.back, state))
    asked = judge.judge_of_lies if fault == "lies" else judge.judge
    try:
        with mounts.mounted(file, str(place.back), place.filesystem):
            return asked(place.store(place.back), ledger)
    except OSError as error:
        return Verdict(judge.HARD_FAIL, f"the filesystem does not come back: {error}")


def told(notes: list[dict[str, Any]], ledger: Ledger) -> None:
    for note in notes:
        ledger.note(note)


class Run:
    """One run of this program: what is asked, and what came of it."""

    def __init__(self, asked: argparse.Namespace, memory: str) -> None:
        self.asked = asked
        self.memory = memory
        self.verdicts: collections.Counter[tuple[str, str]] = collections.Counter()
        self.noted: collections.Counter[str] = collections.Counter()
        self.failed = 0

    def count(self, how: str, verdict: Verdict, where: str, file: int) -> None:
        self.verdicts[how, verdict.kind] += 1
        if verdict.kind not in GOOD[self.asked.fault]:
            self.failed += 1
            print(f"{verdict.kind} {where} ({how}): {verdict.words}", flush=True)
            if self.asked.keep:
                kept = Path(self.asked.keep, where.replace(" ", "-"))
                with open(f"/proc/self/fd/{file}", "rb") as source, open(kept, "wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)

    @property
    def tries(self) -> int:
        return sum(self.verdicts.values())

    def enough(self) -> bool:
        return self.tries >= self.asked.images or (bool(self.asked.plant) and self.failed > 0)

    def go(self) -> None:
        chance = random.Random(self.asked.seed)
        disks = 0
        while not self.enough():
            disks += 1
            with tempfile.TemporaryDirectory(dir=self.memory) as folder:
                apart = self.asked.fault == "lies" or chance.random() < 0.5
                place = Place(Path(folder), self.asked.filesystem, apart=apart)
                mounts.make(place.image, self.asked.filesystem)
                if self.asked.fault == "shutdown":
                    self.shut_down(place, chance, f"disk {disks}")
                else:
                    self.cut(place, chance, f"disk {disks}")

    def cut(self, place: Place, chance: random.Random, where: str) -> None:
        """One disk: a session, then perhaps one that begins with what a cut of the one before left, and so on."""
        ledger = Ledger()
        for session in range(1, SESSIONS_A_DISK + 1):
            left = self.session(place, ledger, chance, f"{where} session {session}")
            if left is None or self.enough():
                return
            base, ledger = left
            place.image.write_bytes(base)
            if place.apart:
                place.put_anchor("state", ledger.anchor_name, ledger.anchor)

    def session(self, place: Place, ledger: Ledger, chance: random.Random, where: str) -> tuple[bytes, Ledger] | None:
        """Record, and cut; one of the disks that came back whole, with what is known of it."""
        lies = self.asked.fault == "lies"
        place.record(
            chance, lies=lies, plant=self.asked.plant, seed=chance.getrandbits(32), commits=COMMITS, bad=not lies,
            **{"continue": ledger.made},
        )  # fmt: skip
        events = blocklog.read(place.log)
        count = min(IMAGES_A_SESSION, self.asked.images - self.tries)
        chosen, left = chance.randrange(count), None
        file = os.memfd_create("disk")
        done = 0
        try:
            cuts = blocklog.cuts(place.image.read_bytes(), events, blocklog.places(events, count, chance), chance)
            for number, (cut, disk) in enumerate(cuts):
                told([said for event in events[done : cut.at] if (said := blocklog.said(event))], ledger)
                done = cut.at
                blocklog.image(disk, cut, file)
                base = os.pread(file, len(disk.data), 0) if number == chosen else b""
                verdict = come_back(place, file, ledger, self.asked.fault)
                self.count(cut.how, verdict, f"{where} event {cut.at}", file)
                if base and verdict.kind == judge.PASS and not lies:
                    left = base, copy.deepcopy(ledger)
                    left[1].settle(list(verdict.found))
        finally:
            os.close(file)
        self.noted.update(said["what"] for event in events if (said := blocklog.said(event)))
        return left

    def shut_down(self, place: Place, chance: random.Random, where: str) -> None:
        """One disk, whose filesystem is shut down under a writer and comes back, again and again."""
        ledger = Ledger()
        notes = place.image.with_name("notes")
        notes.touch()
        read = 0
        with open(place.image, "r+b") as disk:
            for number in range(1, SHUTDOWNS_A_DISK + 1):
                how = chance.choice(sorted(mounts.SHUTDOWNS))
                with mounts.mounted(disk.fileno(), str(place.live), place.filesystem):
                    writer = place.start_writer(
                        notes, lies=False, plant=self.asked.plant, seed=chance.getrandbits(32), commits=10**6,
                        bad=False, **{"continue": ledger.made},
                    )  # fmt: skip
                    try:
                        time.sleep(chance.uniform(0.2, 2.0))
                        mounts.shut_down(str(place.live), how)
                    finally:
                        end(writer, SHUTDOWN_SECONDS_MAX)
                lines = notes.read_bytes().splitlines()
                said = [json.loads(line) for line in lines[read:]]
                read = len(lines)
                told(said, ledger)
                self.noted.update(note["what"] for note in said)
                file = os.memfd_create("disk")
                try:
                    os.pwrite(file, place.image.read_bytes(), 0)
                    verdict = come_back(place, file, ledger, self.asked.fault)
                    self.count(how, verdict, f"{where} shutdown {number}", file)
                finally:
                    os.close(file)
                if verdict.kind != judge.PASS or self.enough():
                    return
                ledger.settle(list(verdict.found))


def missing(asked: argparse.Namespace) -> list[str]:
    """What this machine lacks for it."""
    needs = {"/dev/fuse": os.path.exists("/dev/fuse"), "loop devices": os.path.exists("/dev/loop-control")}
    needs |= {program: bool(shutil.which(program)) for program in [mounts.MAKE[asked.filesystem][1][0]]}
    needs |= {"root": os.geteuid() == 0, "strace": asked.fault != "lies" or bool(shutil.which("strace"))}
    return [name for name, there in needs.items() if not there]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filesystem", choices=sorted(mounts.MAKE), default="ext4")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault", choices=sorted(GOOD), default="cut")
    parser.add_argument("--plant", choices=sorted(plants.PLANTS), default="")
    parser.add_argument("--keep", metavar="FOLDER", help="where to put the disks of what failed")
    asked = parser.parse_args()
    if lacks := missing(asked):
        print("power cannot be cut here, for want of", ", ".join(lacks))
        return CANNOT
    try:
        memory = mounts.apart()
    except OSError as error:
        print("power cannot be cut here:", error)
        return CANNOT
    began = time.monotonic()
    run = Run(asked, memory)
    run.go()
    seconds = time.monotonic() - began
    for (how, kind), count in sorted(run.verdicts.items()):
        print(f"{how:10} {kind:20} {count:6}")
    print("the writer's notes:", ", ".join(f"{count} {what}" for what, count in sorted(run.noted.items())))
    print(
        f"{asked.filesystem}, {asked.fault}, seed {asked.seed}, planted: {asked.plant or 'nothing'}:"
        f" {run.tries} disks came back in {seconds:.0f} s, {run.failed} failed"
    )
    if not run.noted["ack"]:
        print("nothing was ever acknowledged: this proves nothing")
        return 1
    return int(run.failed > 0) if not asked.plant else int(run.failed == 0)


if __name__ == "__main__":
    sys.exit(main())
