"""SIGKILL in every phase of a commit and of forgetting: nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journal_program import ROOT, Program, content

from forkpoint import errors, report
from forkpoint.journal import committer, helper, packfile
from forkpoint.journal.home import Home, new_id
from forkpoint.journal.reader import Reader
from forkpoint.journal.retention import Policy, forget
from forkpoint.journal.verify import verify

BEFORE = ["pack.written", "pack.synced", "pack.renamed", "pack.directory-synced"]
BEFORE += ["committer.started", "committer.locked", "committer.inserted"]
AFTER = ["committer.committed", "committer.anchored"]


def _states(home: Home) -> dict[str, list[bytes]]:
    with Reader(home) as reader:
        assert reader.damages == ()
        assert all(reader.sound(point) == [] for point in reader.points())
        return {point.id: content(home, reader.plan(point)) for point in reader.points()}


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("place", BEFORE + AFTER)
def test_a_commit_killed_anywhere_is_there_or_not_and_the_next_one_works(
    program: Program, place: str, beside: bool
) -> None:
    shared = os.urandom(300)
    first, told = program.commit_in_child([shared, b"first"])
    assert told.status == "K" and told.seq == 1 and told.point == first and told.bytes_new > 300
    killed, told = program.commit_in_child([shared, b"killed"], fault=f"{place}:kill", beside=beside)
    assert told.status == "?"
    expected = {first: [shared, b"first"]}
    if place in AFTER:
        expected[killed] = [shared, b"killed"]
    assert _states(program.home) == expected
    assert verify(program.home).damages == ()
    with Reader(program.home) as reader:
        assert reader.has(killed) == (place in AFTER), "an unknown outcome is resolved by id"
    third, told = program.commit_in_child([shared, b"third"])
    assert told.status == "K"
    assert _states(program.home) == {**expected, third: [shared, b"third"]}
    forget(program.home, Policy(keep_last=9))
    assert len(packfile.all_packs(program.home)) == len(expected) + 1 + (place in BEFORE[2:]), "a live run's are kept"
    program.die()
    forget(program.home, Policy(keep_last=9))
    assert len(packfile.all_packs(program.home)) == len(expected) + 1, "what the killed child left is swept"
    assert os.listdir(Path(program.home.path, "tmp")) == []
    assert _states(program.home) == {**expected, third: [shared, b"third"]}


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("place", ["pack.synced", "committer.inserted"])
def test_a_commit_that_fails_says_so_and_leaves_nothing(program: Program, place: str, beside: bool) -> None:
    program.commit([b"first"])
    _, told = program.commit_in_child([b"second"], fault=f"{place}:raise", beside=beside)
    assert told.status == ("F" if place.startswith("committer") else "?")
    if told.status == "F":
        assert "fault injected" in told.message
    assert len(packfile.all_packs(program.home)) == 1
    _, told = program.commit_in_child([b"third"])
    assert told.status == "K"
    assert verify(program.home).damages == ()


_FORGETTER = """
import sys
from forkpoint.journal.home import open_home
from forkpoint.journal.retention import Policy, forget
forget(open_home(sys.argv[1]), Policy(keep_last=1))
"""


@pytest.mark.parametrize("place", ["forget.condemned", "forget.rows-deleted", "forget.files-deleted"])
def test_forgetting_killed_anywhere_is_carried_on_with(program: Program, place: str) -> None:
    for step in range(3):
        last = program.commit([os.urandom(100), bytes([step])])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FORKPOINT_FAULT": f"{place}:kill"}
    done = subprocess.run([sys.executable, "-c", _FORGETTER, program.home.path], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(_states(program.home)) == [last]
    assert verify(program.home).damages == ()
    result = forget(program.home, Policy(keep_last=1))
    assert result.points == []
    assert len(packfile.all_packs(program.home)) == 1
    assert list(_states(program.home)) == [last]
    assert verify(program.home) == verify(program.home) and verify(program.home).damages == ()


def test_the_child_finishes_when_the_program_is_gone_and_its_lease_holds(program: Program) -> None:
    """The reader can tell: the program is dead, its child still writes; then it is there."""
    program.commit([b"first"])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FORKPOINT_FAULT": "committer.locked:sleep=1"}
    program.die()
    starter = (
        "import json, os, subprocess, sys\n"
        "sys.path.insert(0, os.path.dirname(sys.argv[3]))\n"
        "from journal_program import Program\n"
        "from forkpoint.journal.home import new_id, open_home\n"
        "program = Program(open_home(sys.argv[1]), sys.argv[2])\n"
        "point = new_id()\n"
        "task = {'path': sys.argv[1], 'run': program.run.fields(), 'parent': None, 'point': point,\n"
        "        'state': ['00'], 'report_fd': 1, 'keep_last': 0, 'lease_fd': program.lease.fd, 'beside': True}\n"
        "subprocess.Popen([sys.executable, sys.argv[3], json.dumps(task)], pass_fds=[program.lease.fd],\n"
        "                 stdout=open(os.devnull, 'wb'))\n"
        "print(point, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    source = str(Path(__file__).with_name("journal_program.py"))
    done = subprocess.run(
        [sys.executable, "-c", starter, program.home.path, program.run.id, source],
        env=environment, stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    assert done.returncode == -9
    point = done.stdout.decode().strip()
    with Reader(program.home) as reader:
        run = reader.run(program.run.id)
        assert (run.state, run.program_alive, run.child_alive) == ("died", False, True)
        assert not reader.has(point)
        assert not reader.wait_for_child(run.id, 0.01)
        assert reader.wait_for_child(run.id, 20.0)
    with Reader(program.home) as reader:
        assert reader.has(point)
        assert not reader.run(program.run.id).child_alive


def test_the_committers_record_is_the_one_report_specifies(program: Program) -> None:
    receiver, sender = os.pipe()
    info, _ = program.write_pack([b"x"], "ab" * 16)
    request = {"point": {"bytes_total": 7}, "encode_ms": 1.5, "report_fd": sender}
    committer._answer(request, info, -1, "ä" * 300, 2.5)
    told = report.decode(os.read(receiver, 1000))
    os.close(receiver)
    assert told == report.Report("F", "ab" * 16, -1, info.bytes_new, 7, 1.5, 2.5, "ä" * 200)


def test_a_committer_is_quick_and_imports_little(program: Program) -> None:
    program.commit([b"first"])
    _, told = program.commit_in_child([b"second"])
    assert told.status == "K"
    code = committer.command("committer", 0)[4].replace(
        "main(*map(int, sys.argv[1].split(',')))",
        "import forkpoint.journal.writer, forkpoint.journal.retention; print(*sys.modules)",
    )
    command = committer.command("committer", 0)
    done = subprocess.run([*command[:4], code, *command[5:]], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "forkpoint.journal.connection" in loaded
    assert not loaded & {"typing", "dataclasses", "json", "re", "forkpoint.model", "hashlib", "signal", "numpy"}


def test_a_committer_that_is_never_told_what_to_commit_ends(program: Program) -> None:
    receiver, sender = os.pipe()
    ready = committer.Committer(sender, -1)
    ready.start()
    os.close(sender)
    assert ready._pid > 0
    os.close(ready._go)
    assert os.read(receiver, 1) == b"", "it held this pipe"
    os.close(receiver)
    assert os.waitstatus_to_exitcode(os.waitpid(ready._pid, 0)[1]) == 1
    for fd in (ready._request, ready._waits):
        os.close(fd)


def test_a_committer_there_was_no_room_for_at_first_comes_when_it_is_needed(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = new_id()
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            info, made = program.write_pack([b"first"], point)
            ready = committer.Committer(sender, -1)
            with monkeypatch.context() as full:
                full.setattr("forkpoint._native.spawn", _no_room)
                ready.start()
            ready.commit(program.home, *program.rows(made, info), started_ns=time.monotonic_ns(), encode_ms=1.0)
        finally:
            os._exit(9)
    os.close(sender)
    assert report.decode(os.read(receiver, report.SIZE)).status == "K"
    os.close(receiver)
    assert os.waitpid(child, 0)[1] == 0
    assert _states(program.home) == {point: [b"first"]}


def test_without_room_for_a_committer_the_commit_fails(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    info, made = program.write_pack([b"first"], new_id())
    monkeypatch.setattr("forkpoint._native.spawn", _no_room)
    receiver, sender = os.pipe()
    ready = committer.Committer(sender, -1)
    ready.start()
    with pytest.raises(BlockingIOError):
        ready.commit(program.home, *program.rows(made, info), started_ns=time.monotonic_ns(), encode_ms=1.0)
    for fd in (receiver, sender, ready._request, ready._waits, ready._go):
        os.close(fd)
    assert _states(program.home) == {}


def _no_room(*how: object) -> int:
    raise BlockingIOError(11, "no more processes")


def test_a_missing_relied_on_pack_fails_the_commit_and_the_next_writes_everything(program: Program) -> None:
    shared = os.urandom(500)
    program.commit([shared, b"first"])
    (name,) = packfile.all_packs(program.home)
    Path(program.home.path, "packs", name[:2], name).unlink()
    _, told = program.commit_in_child([shared, b"second"])
    assert told.status == "F" and "writes it again" in told.message
    third, told = program.commit_in_child([shared, b"third"])
    assert told.status == "K"
    with Reader(program.home) as reader:
        assert reader.newest_sound(program.run.id).point.id == third


def test_a_program_asks_through_a_helper(program: Program) -> None:
    point = program.commit([b"first"], label="a label")
    assert helper.ask(program.home, "has", point=point) is True
    assert helper.ask(program.home, "has", point="0" * 32) is False
    (run,) = helper.ask(program.home, "runs")
    assert run["points"][0]["label"] == "a label"
    assert point in helper.ask(program.home, "plan", reference="a label")
    with pytest.raises(errors.UnknownReference):
        helper.ask(program.home, "plan", reference="no such label")
