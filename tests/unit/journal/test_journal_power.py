"""Power cuts, a few: stress/power_cut.py on a real filesystem where the machine lets it, and its judges everywhere."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from journal_program import Program

from forkpoint.journal.home import Home
from forkpoint.journal.retention import Policy, forget

STRESS = Path(__file__).parents[3] / "stress"
sys.path.append(str(STRESS))

from power import blocklog, disk, judge  # noqa: E402
from power.ledger import Ledger, digest  # noqa: E402

pytestmark = pytest.mark.any_python

CANNOT = 77


def _power_cut(*options: str) -> str:
    command = [sys.executable, str(STRESS / "power_cut.py"), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=150)
    if done.returncode == CANNOT:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_what_was_acknowledged_survives_power_cuts_on_a_real_filesystem() -> None:
    assert "40 disks came back" in _power_cut("--images", "40", "--seed", str(random.randrange(10**6)))


def test_a_journal_that_is_not_synced_does_not_survive_them() -> None:
    assert "HARD_FAIL" in _power_cut("--images", "100", "--seed", "1", "--plant", "synchronous-off")


def _event(kind: bytes, offset: int = 0, data: bytes = b"") -> blocklog.Event:
    return blocklog.Event(kind, offset, memoryview(data))


def test_a_cut_keeps_what_was_flushed_and_any_sectors_of_the_rest() -> None:
    flushed, late = b"\1" * 8192, b"\2" * 8192
    events = [_event(disk.WRITE, 8192, flushed), _event(disk.FLUSH), _event(disk.WRITE, 12288, late)]
    seen = set()
    for seed in range(200):
        ((cut, image),) = blocklog.cuts(bytes(65536), events, [3], random.Random(seed))
        for offset, data in cut.pieces:
            image.write(offset, data)
        assert image.data[8192:12288] == flushed[:4096] and not any(image.data[20480:])
        sectors = {bytes(image.data[at : at + 512]) for at in range(12288, 20480, 512)}
        assert sectors <= {b"\0" * 512, b"\1" * 512, b"\2" * 512}
        seen.add(bytes(image.data[12288:20480]))
    assert {flushed[:4096] + bytes(4096), late} < seen and len(seen) > 20, "nothing, everything, and much between"


def test_superblocks_are_not_torn() -> None:
    events = [_event(disk.WRITE, 0, b"\1" * 4096), _event(disk.WRITE, 4096, b"XDB3" + b"\1" * 4092)]
    for seed in range(200):
        ((cut, _),) = blocklog.cuts(bytes(8192), events, [2], random.Random(seed))
        assert all(len(data) == 4096 for _, data in cut.pieces)


def _noted(program: Program, ledger: Ledger, state: list[bytes], keep: int = 0) -> str:
    point = program.commit(state)
    ledger.note({"what": "begin", "point": point, "run": program.run.id, "keep": keep, "state": digest(state)})
    ledger.note({"what": "ack", "point": point})
    return point


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    made.note({"what": "made"})
    return made


def test_a_store_with_all_that_was_acknowledged_passes(home: Home, program: Program, ledger: Ledger) -> None:
    points = tuple(_noted(program, ledger, [bytes([n])]) for n in range(3))
    program.die()
    assert judge.judge(home.path, ledger) == judge.Verdict(judge.PASS, "", points)


def test_a_point_that_is_gone_is_missed_unless_retention_may_have_taken_it(
    home: Home, program: Program, ledger: Ledger
) -> None:
    for n in range(3):
        _noted(program, ledger, [bytes([n])])
    program.die()
    forget(home, Policy(1))
    assert judge.judge(home.path, ledger).kind == judge.LOST
    ledger.note({"what": "forget", "keep": 1})
    ledger.durable = ledger.durable[:3]
    assert judge.judge(home.path, ledger).kind == judge.PASS


def test_another_content_and_a_point_nobody_made_are_seen(home: Home, program: Program, ledger: Ledger) -> None:
    point = _noted(program, ledger, [b"one"])
    program.die()
    ledger.begun[point]["state"] = digest([b"two"])
    assert judge.judge(home.path, ledger).kind == judge.SILENT
    assert judge.judge_of_lies(home.path, ledger).kind == judge.SILENT
    del ledger.begun[point]
    ledger.durable = []
    assert judge.judge(home.path, ledger).kind == judge.SILENT


def test_where_syncs_lie_a_loss_has_to_be_said(home: Home, program: Program, ledger: Ledger) -> None:
    _noted(program, ledger, [b"one"])
    program.die()
    ledger.begun["f" * 32] = {"run": program.run.id, "keep": 0, "state": ""}
    ledger.durable.append("f" * 32)
    assert judge.judge_of_lies(home.path, ledger).kind == judge.SILENT
    Path(home.path, "journal.db").write_bytes(b"")
    assert judge.judge_of_lies(home.path, ledger).kind == judge.REFUSED


def test_retention_after_a_commit_nobody_heard_of_is_allowed_for() -> None:
    ledger = Ledger()
    for point, keep in (("a", 3), ("b", 3), ("c", 2)):
        ledger.note({"what": "begin", "point": point, "run": "r", "keep": keep, "state": ""})
        if point != "c":
            ledger.note({"what": "ack", "point": point})
    assert ledger.must({"a", "b"}) == {"a", "b"}, "the third never came to be"
    assert ledger.must({"b", "c"}) == {"b"}, "it did, and took the first away"
    ledger.settle(["b", "c"])
    assert ledger.must({"c"}) == {"b", "c"} and ledger.may() == {"b", "c"}
