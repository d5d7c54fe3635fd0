"""Damage anywhere in a store: never a wrong byte, the newest sound restore point is found, the damage is named."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from journal_program import Program, State, content

from forkpoint import errors
from forkpoint.journal import anchor, connection, disk, known, packfile, writer
from forkpoint.journal import home as homes
from forkpoint.journal.home import Home
from forkpoint.journal.reader import Reader
from forkpoint.journal.retention import Policy, forget
from forkpoint.journal.verify import INVARIANTS, verify

STORES = ("plain", "encrypted")
SHARED = os.urandom(400)


def _history(program: Program, count: int = 3) -> dict[str, State]:
    """Some restore points that share a chunk; by id, oldest first."""
    made: dict[str, State] = {}
    for step in range(count):
        state = [SHARED, os.urandom(200) + bytes([step])]
        made[program.commit(state)] = state
    return made


def _copy(home: Home, target: Path) -> Home:
    """The store as it is now, in the same directory's name, so that its anchor still speaks for it."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(home.path, target)
    return homes.Home(str(target), home.store, home.key, home.anchor_path, _identity(target), home.encrypted)


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


def _flip(path: Path, place: int) -> None:
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x20]))


def _restored(home: Home, run: str) -> tuple[str, State, int]:
    """(id, state, number of damages named) of what a restore would take."""
    with Reader(home) as reader:
        sound = reader.newest_sound(run)
        return sound.point.id, content(home, sound.plan), len(sound.skipped)


def test_a_flip_anywhere_in_the_newest_pack_falls_back_to_the_point_before(program: Program, tmp_path: Path) -> None:
    states = _history(program)
    *_, before, newest = states
    with Reader(program.home) as reader:
        packs = {point.id: point.pack for point in reader.points()}
    size = Path(program.home.path, "packs", packs[newest][:2], packs[newest]).stat().st_size
    copy = _copy(program.home, tmp_path / "copy")
    victim = Path(copy.path, "packs", packs[newest][:2], packs[newest])
    for place in [*range(0, size, 31), size - 1]:
        _flip(victim, place)
        id, state, named = _restored(copy, program.run.id)
        assert id == before and state == states[before] and named, f"flip at {place}"
        damages = verify(copy).damages
        assert any(damage.pack == packs[newest] and newest in damage.points for damage in damages)
        assert all(before not in damage.points for damage in damages)
        _flip(victim, place)
    assert _restored(copy, program.run.id) == (newest, states[newest], 0)
    assert verify(copy).damages == ()


def test_a_commit_after_falling_back_relies_on_nothing_in_the_damaged_pack(program: Program) -> None:
    before = program.commit([SHARED])
    newest = program.commit([SHARED, b"n" * 500])
    with Reader(program.home) as reader:
        pack = reader.resolve(newest).pack
        _flip(Path(program.home.path, "packs", pack[:2], pack), 300)
    with Reader(program.home) as reader:
        assert reader.newest_sound(program.run.id).point.id == before
    program.parent = before  # what `known` notes is of the damaged one
    after = program.commit([SHARED, b"n" * 500])
    with Reader(program.home) as reader:
        assert reader.newest_sound(program.run.id).point.id == after


def test_a_flip_in_an_older_pack_spares_the_points_that_do_not_need_it(program: Program) -> None:
    first = program.commit([b"a" * 300])
    second = program.commit([b"b" * 300])
    with Reader(program.home) as reader:
        pack = reader.resolve(first).pack
    _flip(Path(program.home.path, "packs", pack[:2], pack), 150)
    found = verify(program.home)
    assert {point for damage in found.damages for point in damage.points} == {first}
    assert [point.id for point in found.sound_points] == [second]


def test_a_missing_or_emptied_pack_is_named(program: Program) -> None:
    states = _history(program)
    *_, before, newest = states
    with Reader(program.home) as reader:
        path = Path(program.home.path, reader.plan(reader.resolve(newest)).envelope.pack)
        pack = reader.resolve(newest).pack
    path = Path(program.home.path, "packs", pack[:2], pack)
    for damage in (lambda: path.write_bytes(b""), path.unlink):
        damage()
        assert _restored(program.home, program.run.id)[:2] == (before, states[before])
        assert any(found.pack == pack and newest in found.points for found in verify(program.home).damages)


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_a_flip_anywhere_in_the_journal_never_gives_a_wrong_state(program: Program, tmp_path: Path, name: str) -> None:
    """Rows may be hidden (WAL), damaged or unreadable; packs name themselves, so nothing is lost for good."""
    states = _history(program, 4)
    points = list(states)
    if name.endswith("wal"):
        with program.home.writer_lock():
            held = connection.open_writer(program.home)
            try:
                shutil.rmtree(tmp_path / "pristine", ignore_errors=True)
                program_commit_with_open_journal(program, held, states)
                shutil.copytree(program.home.path, tmp_path / "pristine")
            finally:
                held.close()
    else:
        shutil.copytree(program.home.path, tmp_path / "pristine")
    points = list(states)
    size = (tmp_path / "pristine" / name).stat().st_size
    assert size > 8192
    pick = random.Random(1)
    for place in sorted(pick.sample(range(size), 36)):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(tmp_path / "pristine", tmp_path / "copy")
        (tmp_path / "copy" / "journal.db-shm").unlink(missing_ok=True)
        copy = homes.Home(
            str(tmp_path / "copy"), program.home.store, program.home.key, program.home.anchor_path,
            _identity(tmp_path / "copy"), program.home.encrypted,
        )  # fmt: skip
        _flip(tmp_path / "copy" / name, place)
        id, state, named = _restored(copy, program.run.id)
        assert state == states[id], f"flip at {place}"
        assert id in points[-2:], f"flip at {place} lost more than one restore point"
        assert id == points[-1] or named, f"flip at {place} passed the newest over in silence"


def program_commit_with_open_journal(program: Program, held: connection.Connection, states: dict[str, State]) -> None:
    """Commits that stay in the WAL, since `held` keeps the journal open."""
    for step in range(3):
        state = [SHARED, os.urandom(200) + bytes([step])]
        states[_commit_with(program, held, state)] = state


def _commit_with(program: Program, held: Any, state: State) -> str:
    point = homes.new_id()
    info, made = program.write_pack(state, point)
    writer.commit(held, program.home, *program.rows(made, info), lambda: 1.0)
    program.parent = point
    return point


def test_hidden_rows_are_noticed_named_and_put_back_by_the_next_commit(program: Program, tmp_path: Path) -> None:
    states = _history(program, 2)
    old = (Path(program.home.path) / "journal.db").read_bytes()
    states |= _history(program, 2)
    (Path(program.home.path) / "journal.db").write_bytes(old)
    ids = list(states)
    with Reader(program.home) as reader:
        assert [damage.invariant for damage in reader.damages] == ["the journal reaches its anchor"]
        assert [point.id for point in reader.points()] == ids[::-1]
        assert [point.recovered for point in reader.points()] == [True, True, False, False]
    assert {damage.invariant for damage in verify(program.home).damages} == {"the journal reaches its anchor"}
    last = [SHARED, b"last"]
    ids.append(program.commit(last))
    with Reader(program.home) as reader:
        assert reader.damages == ()
        assert [(point.id, point.recovered) for point in reader.points()] == [(id, False) for id in ids[::-1]]
        assert [point.seq for point in reader.points()] == [5, 4, 3, 2, 1]
    assert verify(program.home).damages == ()


def test_a_commit_while_the_store_is_being_read_is_no_damage(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program.commit([b"first"])
    real = connection.reading

    @contextlib.contextmanager
    def reading(home: Home, *, locked: bool) -> Iterator[connection.Connection | None]:
        with real(home, locked=locked) as db:
            yield db
        monkeypatch.setattr(connection, "reading", real)
        program.commit([b"meanwhile"])

    monkeypatch.setattr(connection, "reading", reading)
    with Reader(program.home) as reader:
        assert reader.damages == () and len(reader.points()) == 1


def test_an_older_store_put_back_is_refused_until_it_is_accepted(program: Program, tmp_path: Path) -> None:
    _history(program, 2)
    shutil.copytree(program.home.path, tmp_path / "old")
    _history(program, 1)
    for entry in ("packs", "journal.db"):
        path = Path(program.home.path, entry)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        copy = shutil.copytree if path.is_dir() or entry == "packs" else shutil.copy
        copy(tmp_path / "old" / entry, path)
    with pytest.raises(errors.IntegrityError, match="older than"):
        Reader(program.home)
    assert "the journal is no older than its anchor" in {d.invariant for d in verify(program.home).damages}
    with pytest.raises(errors.IntegrityError, match="older than"):
        program.commit([b"x"])
    anchor.forget(program.home)
    program.parent = None
    program.commit([b"x"])
    assert verify(program.home).damages == ()


def test_another_history_of_the_same_length_is_noticed(program: Program, tmp_path: Path) -> None:
    _history(program, 2)
    shutil.copytree(program.home.path, tmp_path / "old")
    program.commit([b"this"])
    for entry in ("packs", "journal.db"):
        path = Path(program.home.path, entry)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        (shutil.copytree if entry == "packs" else shutil.copy)(tmp_path / "old" / entry, path)
    noted = anchor.read(program.home)
    assert noted is not None
    anchor.forget(program.home)
    program.commit([b"that"])
    anchor.write(program.home, noted)
    with pytest.raises(errors.IntegrityError, match="older than"):
        Reader(program.home)


def test_a_copy_without_its_wal_loses_nothing(program: Program, tmp_path: Path) -> None:
    states = _history(program, 2)
    with program.home.writer_lock():
        held = connection.open_writer(program.home)
        program_commit_with_open_journal(program, held, states)
        shutil.copytree(program.home.path, tmp_path / "copy", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
        held.close()
    copy = homes.open_home(str(tmp_path / "copy"))
    with Reader(copy) as reader:
        assert not reader.anchored
        assert [point.id for point in reader.points()] == list(states)[::-1]


def test_a_copied_store_is_accepted_saying_so_and_goes_on(program: Program, tmp_path: Path) -> None:
    states = _history(program)
    shutil.copytree(program.home.path, tmp_path / "copy")
    copy = homes.open_home(str(tmp_path / "copy"))
    found = verify(copy)
    assert found.damages == () and any("anchor" in note for note in found.notes)
    id, state, _ = _restored(copy, program.run.id)
    assert state == states[id]
    there = Program(copy, program.run.id, parent=id)
    there.commit([b"on"])
    there.die()
    assert verify(copy).notes == () and verify(copy).damages == ()
    assert verify(program.home).damages == ()


def test_a_lost_journal_is_rebuilt_from_the_packs(program: Program) -> None:
    states = _history(program)
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        Path(program.home.path, name).unlink(missing_ok=True)
    id, state, named = _restored(program.home, program.run.id)
    assert (id, state) == (list(states)[-1], states[id]) and named
    program.commit([b"more"])
    with Reader(program.home) as reader:
        assert len(reader.points()) == 4
        assert reader.runs()[0].argv == ("train.py", "--fast")
    assert verify(program.home).damages == ()


@pytest.mark.parametrize("word", [b"pack TEXT NOT NULL, packs", b"CREATE TABLE gap", b"seq INTEGER"])
def test_a_journal_whose_columns_have_other_names_is_damaged_like_any_other(program: Program, word: bytes) -> None:
    states = _history(program)
    journal = Path(program.home.path, "journal.db")
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(word, bytes([word[0] ^ 1]) + word[1:]))
    assert journal.read_bytes() != whole
    id, state, named = _restored(program.home, program.run.id)
    assert (id, state) == (list(states)[-1], states[id]) and named
    assert verify(program.home).damages


def test_without_the_key_nothing_is_parsed(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _history(program)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nobody"))
    opened: list[str] = []
    monkeypatch.setattr(disk, "open", lambda path, *a, **k: opened.append(str(path)) or os.open(path, *a, **k))
    with pytest.raises(errors.KeyMissing):
        homes.open_home(program.home.path)
    assert [os.path.basename(path) for path in opened] == [".forkpoint", "FORMAT", program.home.key_id]


def test_another_stores_key_is_refused_as_a_key(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _history(program)
    other = homes.create(str(tmp_path / "other" / ".forkpoint"))
    monkeypatch.setenv("FORKPOINT_KEY_FILE", str(tmp_path / "config" / "forkpoint" / "keys" / other.key_id))
    with pytest.raises(errors.KeyMissing, match="another store's key"):
        homes.open_home(program.home.path)


def test_rows_written_without_the_key_are_not_believed(program: Program) -> None:
    """An attacker with the file but not the key: a forged row is as good as none."""
    states = _history(program)
    with program.home.writer_lock():
        db = connection.open_writer(program.home)
        db.execute(
            "UPDATE point SET packs = (SELECT pack FROM point WHERE number = 1), label = 'evil' WHERE number = 3"
        )
        db.close()
    id, state, named = _restored(program.home, program.run.id)
    assert state == states[id] and named
    with Reader(program.home) as reader:
        assert [point.label for point in reader.points()] == [None, None, None]
    assert "every commit's chain tag holds" in {damage.invariant for damage in verify(program.home).damages}


def test_a_damaged_run_row_is_named_and_read_from_a_pack(program: Program) -> None:
    states = _history(program)
    with program.home.writer_lock():
        db = connection.open_writer(program.home)
        db.execute("UPDATE run SET argv = '[\"evil\"]'")
        db.close()
    id, state, named = _restored(program.home, program.run.id)
    assert id == list(states)[-1] and state == states[id] and named
    with Reader(program.home) as reader:
        assert reader.runs()[0].argv == ("train.py", "--fast")


def test_a_row_without_its_tag_is_damaged_like_any_other(program: Program) -> None:
    """A power cut under a disk that lies leaves pages of other times: a row may end before its last column."""
    made = list(_history(program))
    forget(program.home, Policy(keep_last=9))  # folds the WAL
    journal = Path(program.home.path, "journal.db")
    tags, one_tag = b"\x4c\x4c\x4c", b"\x4c\x81\x0c"  # in a row's head: three of 32 bytes, the last two as one of 64
    before, _, after = journal.read_bytes().partition(tags)
    journal.write_bytes(before + one_tag + after)
    with Reader(program.home) as reader:
        assert [damage.invariant for damage in reader.damages] == ["every commit's chain tag holds"]
        assert {point.id for point in reader.points()} == set(made), "its pack tells it"


def test_runs_of_one_time_are_told_apart_though_one_has_no_restore_point(program: Program) -> None:
    program.commit([b"x"])
    writer.begin_run(program.home, Program(program.home).run)
    with Reader(program.home) as reader:
        assert [len(run.points) for run in reader.runs()] == [1, 0]


def test_a_deleted_row_in_the_middle_breaks_the_chain(program: Program) -> None:
    _history(program)
    with program.home.writer_lock():
        db = connection.open_writer(program.home)
        db.execute("DELETE FROM point WHERE number = 2")
        db.close()
    assert "every commit follows the one before" in {damage.invariant for damage in verify(program.home).damages}


def test_swapped_packs_are_noticed(program: Program) -> None:
    states = _history(program)
    one, two = (Path(program.home.path, "packs", name[:2], name) for name in packfile.all_packs(program.home)[:2])
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    found = verify(program.home)
    assert found.damages
    with Reader(program.home) as reader:
        for point in reader.points():
            if not reader.sound(point):
                assert content(program.home, reader.plan(point)) == states[point.id]


def test_damages_use_the_published_names(program: Program) -> None:
    _history(program)
    for name in packfile.all_packs(program.home):
        _flip(Path(program.home.path, "packs", name[:2], name), 200)
    with program.home.writer_lock():
        db = connection.open_writer(program.home)
        db.execute("UPDATE run SET cwd = '/elsewhere'")
        db.execute("UPDATE point SET label = 'evil' WHERE number = 2")
        db.close()
    assert {damage.invariant for damage in verify(program.home).damages} <= set(INVARIANTS)


def test_an_anchor_that_could_not_be_written_contradicts_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by failing every system call in turn: the point the old anchor names was forgotten meanwhile."""
    for step in range(3):
        program.commit([bytes([step])])

    def failing(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(anchor, "write", failing)
    point = program.commit([b"last"])
    program.parent = point
    forget(program.home, Policy(keep_last=1))
    with Reader(program.home) as reader:
        assert [found.id for found in reader.points()] == [point]
    assert verify(program.home).damages == ()


def test_nothing_after_the_commit_can_make_it_a_failure(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for module, name in ((anchor, "write"), (known, "advance")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, failing)
            point = program.commit([b"x"])
        with Reader(program.home) as reader:
            assert reader.has(point)


def test_the_journal_is_read_where_no_shared_memory_can_be_made(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = program.commit([b"x"])
    monkeypatch.setattr(connection, "_open_in_place", lambda home: None)
    with Reader(program.home) as reader:
        assert reader.has(point)


def test_all_damaged_says_so_and_gives_nothing(program: Program) -> None:
    _history(program)
    for name in packfile.all_packs(program.home):
        _flip(Path(program.home.path, "packs", name[:2], name), 250)
    with Reader(program.home) as reader, pytest.raises(errors.IntegrityError, match="no restore point"):
        reader.newest_sound(program.run.id)
