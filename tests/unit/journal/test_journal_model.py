"""The store against a plain model (a dict), and the protocol against every interleaving."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from journal_program import Program, content

from forkpoint.journal import home as homes
from forkpoint.journal import known, lease
from forkpoint.journal.reader import Reader
from forkpoint.journal.retention import Policy, forget
from forkpoint.journal.verify import verify

PIECES = [bytes([n]) * 300 for n in range(6)]


class StoreMachine(RuleBasedStateMachine):
    """Two runs commit, die, come back from any of their points; somebody forgets; the model is a dict."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="forkpoint-model-", dir="/dev/shm"))
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("XDG_CONFIG_HOME", str(self.folder / "config"))
        self.patch.setenv("XDG_STATE_HOME", str(self.folder / "state"))
        self.home = homes.create(str(self.folder / "store"))
        self.programs = [Program(self.home), Program(self.home)]
        self.model: dict[str, tuple[str, list[bytes]]] = {}

    @rule(who=st.integers(0, 1), pieces=st.lists(st.sampled_from(PIECES), max_size=4))
    def commit(self, who: int, pieces: list[bytes]) -> None:
        program = self.programs[who]
        self.model[program.commit(pieces)] = (program.run.id, pieces)

    @rule(who=st.integers(0, 1), pieces=st.lists(st.sampled_from(PIECES), max_size=4))
    def child_dies_before_the_row(self, who: int, pieces: list[bytes]) -> None:
        self.programs[who].write_pack(pieces, homes.new_id())

    @rule(who=st.integers(0, 1), back=st.integers(0, 3))
    def die_and_restore(self, who: int, back: int) -> None:
        program = self.programs[who]
        program.die()
        parent = None
        with Reader(self.home) as reader:
            points = reader.points(program.run.id)
            if points:
                point = points[min(back, len(points) - 1)]
                known.reset(self.home, program.run.id, point.id, reader.plan(point).packs_by_chunk())
                parent = point.id
        self.programs[who] = Program(self.home, program.run.id, parent)

    @rule(keep=st.integers(1, 3), under_a_reader=st.booleans())
    def forget(self, keep: int, under_a_reader: bool) -> None:
        reader = lease.acquire_reader(self.home) if under_a_reader else None
        gone = set(forget(self.home, Policy(keep)).points)
        lease.release_reader(self.home, reader)
        bases = {program.parent for program in self.programs}
        for program in self.programs:
            mine = [id for id, (run, _) in self.model.items() if run == program.run.id]
            expected = {id for id in mine[:-keep] if id not in bases}
            assert gone & set(mine) == expected
        for id in gone:
            del self.model[id]

    @invariant()
    def what_the_model_has_is_what_the_store_has(self) -> None:
        if not hasattr(self, "home"):
            return
        with Reader(self.home) as reader:
            found = {point.id: (point.run, content(self.home, reader.plan(point))) for point in reader.points()[::-1]}
        assert found == self.model and list(found) == list(self.model)
        assert verify(self.home).damages == ()

    def teardown(self) -> None:
        if hasattr(self, "home"):
            for program in self.programs:
                program.die()
            self.patch.undo()
            shutil.rmtree(self.folder)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


class Protocol(NamedTuple):
    """One pack P that a commit wants to rely on while it is being forgotten; what is on disk and who is where.

    `child`: start, knows (it left P's chunk out), checked (under the lock), done, failed. `forget`: start, condemned,
    rows gone, done. `reader`: none, planned (it means to read P), read. Power may fail between any two steps, which
    sends forgetting back to its recorded plan and ends child and reader.
    """

    child: str = "start"
    forget: str = "start"
    reader: str = "none"
    reader_before: bool = False
    live: bool = True
    condemned: bool = False
    row: bool = True
    file: bool = True
    old_point: bool = True
    new_point: bool = False


Rules = frozenset[str]
ALL: Rules = frozenset(
    {"check-liveness", "wait-for-readers", "list-readers-after", "rows-first", "recheck-condemned", "pin-base"}
)


def _steps(s: Protocol, rules: Rules) -> Iterator[Protocol]:
    if s.child == "start" and s.old_point:
        yield s._replace(child="knows")
    if s.child == "knows":  # the committer holds writer.lock: check and row are one step
        if "check-liveness" in rules and not (s.row and s.file):
            yield s._replace(child="failed")
        else:
            yield s._replace(child="done", new_point=True, condemned=False)
    pinned = "pin-base" in rules and s.child == "knows"
    seen = s.reader == "planned"
    if s.forget == "start" and not pinned:
        if "list-readers-after" in rules:
            yield s._replace(forget="unlisted", old_point=False, condemned=not s.new_point)
        else:
            yield s._replace(forget="listed", reader_before=seen)
    if s.forget == "unlisted":
        yield s._replace(forget="condemned", reader_before=seen)
    if s.forget == "listed" and not pinned:
        yield s._replace(forget="condemned", old_point=False, condemned=not s.new_point)
    if s.forget == "condemned" and not ("wait-for-readers" in rules and s.reader_before and s.reader == "planned"):
        if not s.condemned and "recheck-condemned" in rules:
            yield s._replace(forget="done")
        else:
            yield s._replace(forget="deleting", row="rows-first" not in rules)
    if s.forget == "deleting" and s.file:
        yield s._replace(file=False, forget="done" if not s.row else "late-row")
    if s.forget == "late-row":
        yield s._replace(row=False, forget="done")
    if s.reader == "none" and (s.old_point or s.new_point):
        yield s._replace(reader="planned")
    if s.reader == "planned":
        yield s._replace(reader="read" if s.file else "lost")
    yield s._replace(child="start" if s.child == "start" else "dead", reader="none")  # power fails; plans are on disk


def _broken(s: Protocol) -> str:
    if (s.old_point or s.new_point) and not s.file:
        return "a restore point needs a deleted pack"
    if s.row and not s.file and s.forget == "late-row":
        return "a row names a file that is gone"
    if s.reader == "lost":
        return "a reader's pack was deleted under it"
    if s.child == "failed":
        return "a live run's commit failed because of forgetting"
    return ""


def _explore(rules: Rules) -> str:
    seen, todo = {Protocol()}, [Protocol()]
    while todo:
        state = todo.pop()
        if problem := _broken(state):
            return problem
        for after in _steps(state, rules):
            if after not in seen:
                seen.add(after)
                todo.append(after)
    assert len(seen) > 20
    return ""


def test_no_interleaving_of_commit_forget_read_and_power_loss_breaks_the_protocol() -> None:
    assert _explore(ALL) == ""


@pytest.mark.parametrize(
    "rule", ["wait-for-readers", "list-readers-after", "rows-first", "recheck-condemned", "pin-base"]
)
def test_each_rule_of_the_protocol_is_needed(rule: str) -> None:
    assert _explore(ALL - {rule}) != ""


def test_liveness_is_checked_even_should_a_base_go_unpinned() -> None:
    assert "commit failed" in _explore(ALL - {"pin-base"})
    assert "deleted pack" in _explore(ALL - {"pin-base", "check-liveness"})
