"""A store on a seeded disk against a plain model: programs commit, die and come back, the power fails, disks refuse.

The model is what restore points there are, in order, with what is in each. Where a process died, several answers are
right. Which of them is true is seen by looking, and it may become untrue again only when the power fails before the
next transaction was acknowledged: `may` lists what a power failure may leave, the last of it is what is there.
"""

from __future__ import annotations

import collections
import errno
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from journal_program import Program, content
from one_process import FATES, LIVES, Fate, Processes
from plain_model import Made, left

from forkpoint import errors, limits
from forkpoint.journal import (
    anchor,
    committer,
    handover,
    known,
    packfile,
    repair,
    retention,
    verify,
)
from forkpoint.journal import home as homes
from forkpoint.journal import rekey as rekeying
from forkpoint.journal.plan import RestorePlan
from forkpoint.journal.reader import Reader

PIECES = [random.Random(n).randbytes(40 + 300 * n) for n in range(12)]
WHO = st.integers(0, 1)
STATES = st.lists(st.integers(0, len(PIECES) - 1), max_size=3)


class StoreMachine(RuleBasedStateMachine):
    """Two programs and whoever else uses their store."""

    happened: ClassVar[collections.Counter[str]] = Processes.happened
    """What was done so far, by all machines of this process."""

    plant: ClassVar[Callable[[pytest.MonkeyPatch], None] | None] = None
    """A bug to put into the store (machine_plants.py)."""

    @initialize(seed=st.integers(0, 2**32), encrypt=st.sampled_from([False, False, False, True]), fate=FATES)
    def begin(self, seed: int, encrypt: bool, fate: Fate) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="forkpoint-machine-", dir="/dev/shm"))
        self.path = str(self.folder / "work" / ".forkpoint")
        self.ever: dict[str, Made] = {}
        self.may: list[list[str]] = [[]]
        self.looked = False
        self.reader: tuple[Reader, RestorePlan, str] | None = None
        self.programs: list[Program] = []
        self.processes = Processes(self.folder, self.path, random.Random(seed))
        if type(self).plant is not None:
            type(self).plant(self.processes.patch)
        self.processes.run(lambda: homes.create(self.path, encrypt=encrypt), fate)
        if fate.cuts:
            self.processes.disk.cut()
        self.home = homes.create(self.path, encrypt=encrypt)
        self._revive()

    # ---- life and death

    def _run(self, work: Callable[[], object], fate: Fate = LIVES) -> str:
        """A process, and the power failing with it where that is its fate."""
        outcome = self.processes.run(work, fate)
        if fate.cuts:
            self._cut()
        return outcome

    def _cut(self) -> None:
        """The power fails, and comes back; somebody has made room."""
        self.processes.disk.free = None
        self.happened["power cuts"] += 1
        self._die()
        self.processes.disk.cut()
        self.home = homes.open_home(self.path)

    def _die(self) -> None:
        """No program and no reader is left."""
        for program in self.programs:
            program.die()
        if self.reader is not None:
            self.reader[0].lease.release()  # type: ignore[union-attr]
            self.reader = None

    def _revive(self) -> None:
        """The programs go on, each from its newest restore point, with nothing known of it."""
        runs = [program.run.id for program in self.programs] or [None, None]
        made = []
        for run in runs:
            mine = [id for id in self.may[-1] if self.ever[id].run == run]
            made.append(Program(self.home, run, mine[-1] if mine else None))
        self.programs = made
        if anchor.read(self.home) is None:  # of an empty store it may have been refused; such a one is a copy, and its
            self.commit(0, [], None, 0, LIVES)  # unnamed packs count

    # ---- the model

    def _look(self, *, perhaps_a_copy: bool = False) -> list[str]:
        """The restore points there are, oldest first, each with what was put in, and nothing wrong with the store."""
        with Reader(self.home, locked=True) as reader:
            points = reader.points()[::-1]
            surveys = {pack: packfile.survey(self.home, pack) for point in points for pack in point.packs}
            damages = verify.examine(reader, reader.points(), surveys, whole=True).damages
            assert not damages, "; ".join(map(str, damages))
            assert reader.anchored or not points or perhaps_a_copy
            for point in points:
                self._as_made(reader, point)
        self.looked = True
        return [point.id for point in points]

    def _as_made(self, reader: Reader, point: Any) -> None:
        made = self.ever[point.id]
        assert content(self.home, reader.plan(point)) == made.state
        told = (point.run, point.parent, point.label, point.created_at)
        assert told == (made.run, made.parent, made.label, made.created_at)

    def _became(
        self, right: list[list[str]], fate: Fate, acknowledged: list[str] | None = None, refused: Any = ()
    ) -> None:
        """One of these is there. What was acknowledged no power failure takes away; what was refused it may bring."""
        if fate.cuts:
            right = [acknowledged, *right] if acknowledged is not None else [*self.may, *right]
        found = self._look()
        assert found in right, f"{_short(found)} is none of {[_short(one) for one in right]}"
        if fate.certain or fate.cuts:
            self.may = [found]
        else:
            self.may = [*(self.may if acknowledged is None else [acknowledged]), *refused, found]
        if fate.cuts:
            self._revive()

    def _left(self, points: list[str], policy: retention.Policy, runs: set[str], pins: set[str]) -> list[str]:
        return left(points, self.ever, policy, self.processes.now, runs, pins)

    def _pins(self) -> set[str]:
        """What the next commits build on."""
        bases = {known.base(self.home, program.run.id) for program in self.programs if program.lease is not None}
        return {base for base in bases if base is not None}

    def _checked(self, fate: Fate) -> Fate:
        """On a full disk anything may be refused."""
        return Fate("refused", 10**9, 1, errno.EIO) if fate.certain and self.processes.cramped else fate

    # ---- what happens

    @rule(who=WHO, pieces=STATES, label=st.sampled_from([None, None, "kept"]), keep=st.integers(0, 3), fate=FATES)
    def commit(self, who: int, pieces: list[int], label: str | None, keep: int, fate: Fate) -> None:
        program, point, before = self.programs[who], homes.new_id(), self.may[-1]
        fate = self._checked(fate)
        state = [PIECES[number] for number in pieces]
        self.ever[point] = made = Made(program.run.id, program.parent, state, label, self.processes.now)

        def work() -> None:
            info, manifest = program.write_pack(state, point, label=label, created_at=made.created_at)
            run, _, row = program.rows(manifest, info)
            committer._commit(
                {
                    "home": handover.home_fields(self.home),
                    "run": run,
                    "pack": handover.pack_fields(info),
                    "point": row,
                    "report_fd": -1,
                    "started_ns": committer.clock_ns(),
                    "encode_ms": 1.0,
                    "keep_last": keep,
                    "keep_within": 0.0,
                    "message": "",
                }  # fmt: skip
            )

        outcome = self._run(work, fate)
        after = [*before, point]
        policy = retention.Policy(max(keep, 1), keep_hours=limits.KEEP_HOURS, keep_labelled=True)
        less = self._left(after, policy, {program.run.id}, {point}) if keep else after
        if self.processes.told == "K":
            right = [less] if fate.certain else [after, less]
            self._became(right, fate, after, refused=(less,))
            if not fate.cuts:
                program.parent = point
        elif outcome == "died":
            self._became([before, after, less], fate)
        else:
            assert not fate.certain, f"{outcome} {self.processes.told}"
            refused = (after, less) if "OperationalError" in self.processes.told else ()
            self._became([before, after, less] if fate.cuts else [before], fate, refused=refused)

    @rule(who=WHO, states=st.lists(STATES, min_size=2, max_size=4))
    @precondition(lambda self: not self.processes.cramped)
    def time_goes_by(self, who: int, states: list[list[int]]) -> None:
        """A program commits more than once, and nothing happens to it."""
        for state in states:
            self.processes.now += 60.0
            self.commit(who, state, None, 0, LIVES)

    @rule(
        fate=FATES, keep=st.integers(1, 3), within=st.sampled_from([0.0, 0.0, 7200.0]), labelled=st.booleans(),
        reading=st.booleans(),
    )  # fmt: skip
    def forget(self, fate: Fate, keep: int, within: float, labelled: bool, reading: bool) -> None:
        """Somebody may be reading what goes."""
        before = self.may[-1]
        if reading and before and self.reader is None and not self.processes.cramped:
            self.begin_to_read(len(before) - 1)
        fate = self._checked(fate)
        policy = retention.Policy(keep, within, keep_labelled=labelled)
        runs = {self.ever[id].run for id in before}
        after = self._left(before, policy, runs, self._pins())
        outcome = self._run(lambda: retention.forget(self.home, policy), fate)
        done = outcome == "done"
        self._became([after] if done else [before, after], fate, after if done else None, refused=(after,))
        if self.reader is not None:
            self._read()

    @rule(who=WHO, back=st.integers(0, 3))
    @precondition(lambda self: not self.processes.cramped)
    def come_back(self, who: int, back: int) -> None:
        """A program died, and goes on from any of its restore points."""
        program = self.programs[who]
        program.die()
        parent = None
        with Reader(self.home) as reader:
            points = reader.points(program.run.id)
            if points:
                point = points[min(back, len(points) - 1)]
                self._as_made(reader, point)
                known.reset(self.home, program.run.id, point.id, reader.plan(point).packs_by_chunk())
                parent = point.id
        self.programs[who] = Program(self.home, program.run.id, parent)

    @rule()
    def power_fails(self) -> None:
        self._cut()
        found = self._look()
        assert found in self.may, f"{_short(found)} is none of {[_short(one) for one in self.may]}"
        self.may = [found]
        self._revive()

    @rule(which=st.integers(0, 5))
    @precondition(lambda self: self.reader is None and self.may[-1] and not self.processes.cramped)
    def begin_to_read(self, which: int) -> None:
        reader = Reader(self.home)
        points = reader.points()
        point = points[which % len(points)]
        self.reader = (reader, reader.plan(point), point.id)

    @rule()
    @precondition(lambda self: self.reader is not None)
    def end_of_reading(self) -> None:
        assert self.reader is not None
        self._read()
        self.reader[0].close()
        self.reader = None

    def _read(self) -> None:
        assert self.reader is not None
        _, plan, id = self.reader
        assert content(self.home, plan) == self.ever[id].state

    @rule(seconds=st.sampled_from([1.0, 3000.0, 90_000.0, -7200.0, 315_360_000.0, -86_400.0]))
    def the_clock_jumps(self, seconds: float) -> None:
        self.processes.now = max(self.processes.now + seconds, 86_400.0)

    @rule(left=st.integers(0, 30_000))
    def the_disk_fills_up(self, left: int) -> None:
        self.processes.disk.free = left

    @rule()
    @precondition(lambda self: self.processes.cramped)
    def there_is_room_again(self) -> None:
        self.processes.disk.free = None

    @rule(seed=st.integers(0, 2**32), fate=FATES)
    @precondition(lambda self: not self.processes.cramped)
    def a_byte_changes(self, seed: int, fate: Fate) -> None:
        """Detected or harmless; a repair makes it good, however often it is killed."""
        chance = random.Random(seed)
        self._die()
        before, needs = self.may[-1], self._needs()
        places = [self.folder / "work", self.folder / "state"]
        files = [
            path for place in places for path in sorted(place.rglob("*")) if path.is_file() and path.stat().st_size
        ]
        victim = chance.choice([path for path in files if not path.name.startswith("reserve.")])
        whole = victim.read_bytes()
        at = chance.randrange(len(whole))
        victim.write_bytes(whole[:at] + bytes([whole[at] ^ chance.randrange(1, 256)]) + whole[at + 1 :])
        self.processes.disk.adopt()
        if victim.name == "FORMAT":
            _refused(lambda: homes.open_home(self.path))
            victim.write_bytes(whole)
            self.processes.disk.adopt()
        self._detected()
        outcome = self._run(lambda: repair.repair(self.home), fate)
        if outcome != "done":
            self._run(lambda: repair.repair(self.home), LIVES)
        found = self._look(perhaps_a_copy=True)
        gone = set(before) - set(found)
        assert not [id for id in gone if victim.name not in needs[id]], "more was lost than was damaged"
        assert set(found) <= set(self.ever)
        self.may = [found]
        self._revive()

    def _needs(self) -> dict[str, tuple[str, ...]]:
        """The files each restore point needs: the journal, too, if the anchor that would tell of it was refused."""
        with Reader(self.home, locked=True) as reader:
            noted = 0 if reader.noted is None else reader.noted.number
            journal = ("journal.db", "journal.db-wal")
            return {point.id: point.packs + (journal if point.number > noted else ()) for point in reader.points()}

    def _detected(self) -> None:
        """Nobody restores anything but what was saved."""
        verify.verify(self.home)
        try:
            with Reader(self.home) as reader:
                for run in reader.runs():
                    if run.points:
                        self._as_made(reader, reader.newest_sound(run.id).point)
        except errors.ForkpointError:
            pass

    @rule(fate=FATES, encrypt=st.booleans())
    @precondition(lambda self: not self.processes.cramped)
    def rotate_the_key(self, fate: Fate, encrypt: bool) -> None:
        self._die()
        before = self.may[-1]
        encrypt &= not os.path.exists(f"{self.path}/quarantine")
        outcome = self._run(lambda: rekeying.rekey(self.path, self.home, encrypt=encrypt), fate)
        self.home = homes.open_home(self.path)
        if outcome != "done":
            self._run(lambda: rekeying.rekey(self.path, self.home), LIVES)
            self.home = homes.open_home(self.path)
        found = self._look()
        assert set(before) <= set(found) <= set(self.ever)
        self.may = [found]
        self._revive()

    @rule(who=WHO)
    @precondition(lambda self: not self.processes.cramped)
    def an_older_store_is_put_back(self, who: int) -> None:
        """It is refused, and nobody takes it for the truth; then the right one comes back."""
        older, newer = (
            self.folder.with_name(f"{self.folder.name}-older"),
            self.folder.with_name(f"{self.folder.name}-newer"),
        )
        shutil.copytree(self.path, older)
        newer.mkdir()
        self.commit(who, [0], None, 0, LIVES)
        for name in os.listdir(self.path):
            os.rename(f"{self.path}/{name}", newer / name)
        shutil.copytree(older, self.path, dirs_exist_ok=True)
        try:
            _refused(lambda: Reader(self.home, locked=True))
        finally:
            for name in os.listdir(self.path):
                path = Path(self.path, name)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            for name in os.listdir(newer):
                os.rename(newer / name, f"{self.path}/{name}")
            newer.rmdir()
            shutil.rmtree(older)

    @invariant()
    def all_is_as_the_model_has_it(self) -> None:
        self.happened["steps"] += 1
        if not self.looked:
            assert self._look() == self.may[-1]
        self.looked = False

    def teardown(self) -> None:
        if hasattr(self, "processes"):
            self._die()
            self.processes.end()
            shutil.rmtree(self.folder)


def _refused(work: Callable[[], object]) -> None:
    try:
        work()
    except errors.ForkpointError:
        return
    raise AssertionError("it was believed")


def _short(points: list[str]) -> list[str]:
    return [id[:6] for id in points]
