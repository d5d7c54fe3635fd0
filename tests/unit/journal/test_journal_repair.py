"""Repair: every restore point that is whole goes on, what is lost is named, nothing is deleted, dying is no matter."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from journal_program import ROOT, Program, State, content

from forkpoint import errors, model
from forkpoint.journal import anchor, connection, disk, packfile, record
from forkpoint.journal.home import Home, new_id
from forkpoint.journal.reader import Reader
from forkpoint.journal.repair import repair
from forkpoint.journal.retention import Policy, forget
from forkpoint.journal.verify import verify

STORES = ("plain", "encrypted")
SHARED = os.urandom(400)


def _history(program: Program) -> dict[str, State]:
    """Four restore points; the later three rest on the first one's pack, whose last chunk only the first needs."""
    states = [[SHARED, b"first" * 50], *([SHARED, os.urandom(200) + bytes([step])] for step in range(3))]
    made = {program.commit(state): state for state in states}
    program.die()
    return made


def _pack_path(home: Home, pack: str) -> Path:
    return Path(home.path, "packs", pack[:2], pack)


def _pack_of(home: Home, point: str) -> str:
    with Reader(home, accept_rollback=True) as reader:
        return reader.resolve(point).pack


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


def _states(home: Home) -> dict[str, State]:
    """Every restore point, oldest first, each byte of it read as a restore does."""
    with Reader(home) as reader:
        assert reader.damages == ()
        assert all(reader.sound(point) == [] for point in reader.points())
        return {point.id: content(home, reader.plan(point)) for point in reversed(reader.points())}


def _inodes(home: Home) -> set[int]:
    """All files with content there are, by inode."""
    files = [path for path in Path(home.path).rglob("*") if path.is_file() and path.stat().st_size]
    return {path.stat().st_ino for path in files if "packs" in path.parts or path.parent.parent.name == "quarantine"}


def _goes_on(home: Home, program: Program, states: dict[str, State]) -> None:
    """The store is sound, has these states, and takes the next commit; forgetting sweeps nothing of them."""
    assert verify(home).damages == ()
    assert _states(home) == states
    again = Program(home, program.run.id, parent=list(states)[-1])
    last = again.commit([SHARED, b"on"])
    again.die()
    forget(home, Policy(keep_last=9))
    assert _states(home) == {**states, last: [SHARED, b"on"]}
    assert verify(home).damages == ()


def test_a_sound_store_is_left_as_it_is(program: Program) -> None:
    states = _history(program)
    journal = Path(program.home.path, "journal.db")
    before = journal.read_bytes(), sorted(path.name for path in Path(program.home.path).iterdir())
    done = repair(program.home)
    assert (done.damages, done.lost, done.packs, done.quarantine) == ((), (), (), None)
    assert before == (journal.read_bytes(), sorted(path.name for path in Path(program.home.path).iterdir()))
    assert _states(program.home) == states


def test_a_flipped_bit_costs_the_points_that_need_it_and_no_other(program: Program) -> None:
    states = _history(program)
    first, *others = states
    pack = _pack_of(program.home, first)
    with packfile.PackFile(program.home, pack) as file:
        (place,) = [at for at, _, _ in file.entries().values() if file.read(at)[1] == states[first][1]]
    _flip(_pack_path(program.home, pack), place + record.HEAD_BYTES)
    (damage,) = verify(program.home).damages
    assert damage.points == (first,) and damage.variables == ("buffer/0",) and damage.chunk
    before = _inodes(program.home)
    done = repair(program.home)
    assert [(lost.id, lost.variables) for lost in done.lost] == [(first, ("buffer/0",))]
    assert done.packs == done.rewritten == (pack,)
    assert done.quarantine is not None and Path(program.home.path, done.quarantine, pack).is_file()
    assert before <= _inodes(program.home), "a file was deleted"
    assert [note for note in verify(program.home).notes if program.run.id[:8] in note and "lost" in note]
    _goes_on(program.home, program, {id: states[id] for id in others})


def test_damage_to_a_pack_s_own_index_loses_nothing(program: Program) -> None:
    states = _history(program)
    for point, place in zip(states, (10, -1, -81, -300), strict=True):
        _flip(_pack_path(program.home, _pack_of(program.home, point)), place)
    assert len({id for damage in verify(program.home).damages for id in damage.points}) == 4
    assert repair(program.home).lost == ()
    _goes_on(program.home, program, states)


def test_a_damaged_chunk_that_another_pack_has_is_taken_from_there(program: Program) -> None:
    first = program.commit([SHARED])
    program.parent = None  # as after a failed commit: everything is written again
    second = program.commit([SHARED, b"more"])
    program.die()
    pack = _pack_of(program.home, first)
    _flip(_pack_path(program.home, pack), 80 + record.HEAD_BYTES)
    assert {id for damage in verify(program.home).damages for id in damage.points} == {first}
    assert repair(program.home).lost == ()
    assert _states(program.home) == {first: [SHARED], second: [SHARED, b"more"]}


def test_damage_is_told_by_the_variable_whose_bytes_it_hits(program: Program) -> None:
    saved = (model.Saved("weights", "buffer/0", 0), model.Saved("history (in main)", "buffer/0", 300))
    chunks = [os.urandom(300), os.urandom(100)]
    point = program.commit(chunks, saved=saved)
    pack = _pack_of(program.home, point)
    for place, name in ((80, "weights"), (80 + 128 + 300, "history (in main)")):
        whole = _pack_path(program.home, pack).read_bytes()
        _flip(_pack_path(program.home, pack), place + record.HEAD_BYTES)
        told = [damage.variables for damage in verify(program.home).damages]
        assert all(name in variables for variables in told), (place, told)
        _pack_path(program.home, pack).write_bytes(whole)


def _lose(*names: str) -> Callable[[Path], None]:
    def lose(store: Path) -> None:
        for name in names:
            (store / name).unlink(missing_ok=True)

    return lose


def _truncate(store: Path) -> None:
    os.truncate(store / "journal.db", 5000)


def _zero(store: Path) -> None:
    (store / "journal.db").write_bytes(bytes(20000))


JOURNAL_DAMAGES = {
    "lost": _lose("journal.db", "journal.db-wal", "journal.db-shm"),
    "lost journal, WAL left": _lose("journal.db"),
    "lost WAL": _lose("journal.db-wal", "journal.db-shm"),
    "truncated": _truncate,
    "zeroed": _zero,
}


def _with_a_wal(program: Program) -> dict[str, State]:
    """Restore points of which the later ones stand in the WAL alone."""
    states = _history(program)
    with program.home.writer_lock():
        held = connection.open_writer(program.home)
    again = Program(program.home, program.run.id, parent=list(states)[-1])
    states |= {again.commit(state): state for state in ([SHARED, b"wal" + bytes([step])] for step in range(2))}
    again.die()
    copy = Path(program.home.path).with_name("as-it-was")
    shutil.copytree(program.home.path, copy)
    held.close()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(copy / name, program.home.path)
    return states


@pytest.mark.parametrize("damage", JOURNAL_DAMAGES.values(), ids=JOURNAL_DAMAGES)
def test_the_journal_is_made_anew_from_the_packs(program: Program, damage: Callable[[Path], None]) -> None:
    states = _with_a_wal(program)
    damage(Path(program.home.path))
    assert verify(program.home).damages
    done = repair(program.home)
    assert done.lost == () and done.recovered and done.packs == ()
    _goes_on(program.home, program, states)


def test_what_was_forgotten_before_the_journal_was_lost_takes_nothing_along(program: Program) -> None:
    """The pack of a forgotten point that a later one needs: no row names it any more, and nothing may sweep it."""
    one, two, three = b"1" * 300, b"2" * 300, b"3" * 300
    program.commit([one])
    program.commit([one, two])
    last = program.commit([two, three])
    forget(program.home, Policy(keep_last=1))
    assert len(packfile.all_packs(program.home)) == 2
    program.die()
    JOURNAL_DAMAGES["lost"](Path(program.home.path))
    again = Program(program.home, program.run.id, parent=last)
    newest = again.commit([two, three, b"4"])  # puts the rows back by itself
    again.die()
    forget(program.home, Policy(keep_last=9))
    assert _states(program.home) == {last: [two, three], newest: [two, three, b"4"]}


@pytest.mark.parametrize("zeroed", [True, False])
def test_an_anchor_that_cannot_be_believed_is_named_and_written_anew(program: Program, zeroed: bool) -> None:
    states = _history(program)
    path = Path(program.home.anchor_path)
    path.write_bytes(bytes(144) if zeroed else b"")
    assert [damage.invariant for damage in verify(program.home).damages] == ["the anchor is as written"]
    repair(program.home)
    assert len(path.read_bytes()) == 144 and any(path.read_bytes())
    assert verify(program.home).notes[1:] == ()
    _goes_on(program.home, program, states)


def test_an_older_store_is_repaired_only_when_its_loss_is_accepted(program: Program, tmp_path: Path) -> None:
    first = program.commit([SHARED])
    shutil.copytree(program.home.path, tmp_path / "old")
    program.commit([SHARED, b"later"])
    program.die()
    shutil.rmtree(Path(program.home.path, "packs"))
    shutil.copytree(tmp_path / "old" / "packs", Path(program.home.path, "packs"))
    _lose("journal.db", "journal.db-wal", "journal.db-shm")(Path(program.home.path))
    with pytest.raises(errors.IntegrityError, match="older than"):
        repair(program.home)
    repair(program.home, accept_rollback=True)
    assert _states(program.home) == {first: [SHARED]}


def test_a_live_run_and_a_reader_are_waited_for(program: Program) -> None:
    program.commit([SHARED])
    with pytest.raises(errors.Locked, match="alive"):
        repair(program.home)
    program.die()
    with Reader(program.home), pytest.raises(errors.Locked, match="being read"):
        repair(program.home)


def test_a_lost_pack_takes_the_points_that_rest_on_it_along(program: Program) -> None:
    states = _history(program)
    *_, last = states
    _pack_path(program.home, _pack_of(program.home, last)).unlink()
    done = repair(program.home)
    assert [lost.id for lost in done.lost] == [last]
    _goes_on(program.home, program, {id: state for id, state in states.items() if id != last})


_REPAIRER = """
import sys
from forkpoint.journal.home import open_home
from forkpoint.journal.repair import repair
repair(open_home(sys.argv[1]))
"""
PLACES = [
    "repair.reported", "pack.written", "pack.synced", "pack.renamed", "pack.directory-synced", "repair.pack-linked",
    "repair.packs-aside", "repair.journal-aside", "repair.journal-replaced",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_repair_killed_anywhere_is_finished_by_the_next(program: Program, place: str) -> None:
    states = _history(program)
    first, *others = states
    pack = _pack_of(program.home, first)
    size = _pack_path(program.home, pack).stat().st_size
    _flip(_pack_path(program.home, pack), 80 + 2 * record.HEAD_BYTES + len(SHARED))
    _flip(Path(program.home.path, "journal.db"), 8192 + 4000)
    before = _inodes(program.home)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FORKPOINT_FAULT": f"{place}:kill"}
    killed = subprocess.run([sys.executable, "-c", _REPAIRER, program.home.path], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    repair(program.home)
    assert before <= _inodes(program.home), "a file was deleted"
    assert _pack_path(program.home, pack).stat().st_size < size
    lost = [note for note in verify(program.home).notes if "lost" in note]
    assert lost and f"{program.run.id[:8]}@1" in lost[0]
    _goes_on(program.home, program, {id: states[id] for id in others})


def test_a_dry_run_says_the_same_and_changes_nothing(program: Program) -> None:
    states = _history(program)
    _flip(_pack_path(program.home, _pack_of(program.home, list(states)[-1])), 300)
    before = {path: path.read_bytes() for path in Path(program.home.path).rglob("*") if path.is_file()}
    would = repair(program.home, dry_run=True)
    after = {path: path.read_bytes() for path in Path(program.home.path).rglob("*") if path.is_file()}
    assert before == after and would.lost and would.quarantine is None
    assert repair(program.home).lost == would.lost


def test_the_names_of_packs_are_durable_once_repair_has_found_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One before it may have put them there and then failed."""
    _history(program)
    synced = set()

    def fsync(fd: int) -> None:
        synced.add(os.fstat(fd).st_ino)
        os.fsync(fd)

    monkeypatch.setattr(disk, "fsync", fsync)
    repair(program.home)
    packs = Path(program.home.path) / "packs"
    assert {folder.stat().st_ino for folder in (packs, *packs.iterdir())} <= synced


def test_a_pack_of_no_restore_point_is_not_believed_to_be_one_once_it_was_damaged(program: Program) -> None:
    """A commit that never was left it in a store without any; its manifest, though whole, must not go on."""
    program.write_pack([os.urandom(400)], new_id())
    program.die()
    (pack,) = packfile.all_packs(program.home)
    _flip(_pack_path(program.home, pack), 82)  # the head of its first record
    repair(program.home)
    anchor.forget(program.home)  # it could not be written; then packs tell what there is
    with Reader(program.home) as reader:
        assert not reader.points()
    assert verify(program.home).damages == ()
