"""A store under another key: everything comes over, dying on the way loses nothing, and damage stays behind, named."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from journal_program import Program, State, content

from forkpoint import errors
from forkpoint.journal import filelog, keys, manifest, rebuild, record, rekey, seal
from forkpoint.journal import home as homes
from forkpoint.journal.home import Home
from forkpoint.journal.reader import Reader
from forkpoint.journal.retention import Policy, forget
from forkpoint.journal.verify import verify
from forkpoint.model import FileState, Touch

SHARED = os.urandom(400)


def _history(program: Program, count: int = 3) -> dict[str, State]:
    """Some restore points that share a chunk, by id; their program is dead."""
    states = [[SHARED, os.urandom(200) + bytes([step])] for step in range(count)]
    made = {
        program.commit(state, created_at=f"2026-01-01T00:00:0{step}+00:00"): state for step, state in enumerate(states)
    }
    program.die()
    return made


def _states(home: Home) -> dict[str, State]:
    with Reader(home) as reader:
        assert not reader.damages
        return {point.id: content(home, reader.plan(point)) for point in reader.points()}


def _lose_key(home: Home) -> None:
    Path(keys.location(home.key_id)).unlink()


Change = Callable[[Home], rekey.Rekeyed]
CHANGES: dict[str, Change] = {
    "trusted": lambda home: rekey.rekey(home.path),
    "rotated": lambda home: rekey.rekey(home.path, home),
    "rotated, encrypted": lambda home: rekey.rekey(home.path, home),
    "encrypted now": lambda home: rekey.rekey(home.path, home, encrypt=True),
}
in_every_way = pytest.mark.parametrize(
    ("home", "change"),
    [("encrypted" if name == "rotated, encrypted" else "plain", change) for name, change in CHANGES.items()],
    indirect=["home"],
    ids=list(CHANGES),
)


def test_a_store_whose_key_is_lost_comes_over_whole_and_is_sound(program: Program) -> None:
    states = _history(program)
    _lose_key(program.home)
    with pytest.raises(errors.KeyMissing):
        homes.open_home(program.home.path)
    done = rekey.rekey(program.home.path)
    assert (done.points, done.lost) == (3, ())
    again = homes.open_home(program.home.path)
    assert _states(again) == states
    checked = verify(again)
    assert not checked.damages and not checked.notes
    with Reader(again) as reader:
        assert reader.newest_sound(program.run.id).point.id == list(states)[-1]


@in_every_way
def test_chunks_that_are_listed_in_chunks_come_over_too(
    change: Change, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "_LIST_IDS", 1)
    states = _history(program)
    done = change(program.home)
    assert done.points == 3 and _states(done.home) == states
    assert not verify(done.home).damages


@in_every_way
def test_what_the_old_key_sealed_is_worth_nothing_under_the_new_one(change: Change, program: Program) -> None:
    _history(program)
    kept = {path.name: path.read_bytes() for path in Path(program.home.path, "packs").rglob("*") if path.is_file()}
    change(program.home)
    for name, data in kept.items():
        Path(program.home.path, "packs", name[:2]).mkdir(exist_ok=True)
        Path(program.home.path, "packs", name[:2], name).write_bytes(data)
    home = homes.open_home(program.home.path)
    assert home.key != program.home.key
    assert len(_states(home)) == 3
    assert all(rebuild.run_of(home, name) is None for name in kept)


@in_every_way
def test_restore_points_around_forgotten_ones_keep_their_order(change: Change, program: Program) -> None:
    """The oldest that is left has the longest line of children: ordered by that, it would come out as the newest."""
    made = [
        program.commit(
            [bytes([n]) * 99], created_at=f"2026-01-01T00:00:0{n}+00:00", label="x" if n in (0, 1, 2, 5) else None
        )
        for n in range(6)
    ]
    program.die()
    forget(program.home, Policy(1, keep_labelled=True))
    change(program.home)
    with Reader(homes.open_home(program.home.path)) as reader:
        assert [point.id for point in reader.points()] == [made[n] for n in (5, 2, 1, 0)]


@in_every_way
def test_a_damaged_chunk_stays_behind_with_its_restore_point_and_is_named(change: Change, program: Program) -> None:
    *_, newest = states = _history(program)
    with Reader(program.home) as reader:
        plan = reader.plan(reader.resolve(newest))
    pack, offset, _ = plan.chunks[plan.manifest.pods[0].chunks[1]]
    path = Path(program.home.path, "packs", pack[:2], pack)
    data = bytearray(path.read_bytes())
    data[offset + record.HEAD_BYTES] ^= 1
    path.write_bytes(data)
    done = change(program.home)
    assert done.points == 2
    assert set(_states(done.home)) == set(states) - {newest}


@pytest.mark.parametrize("trusted", [True, False])
def test_a_rotation_believes_only_what_the_old_key_vouches_for(program: Program, trusted: bool) -> None:
    """A checksum is made right by anybody; `--trust` has nothing else."""
    *_, newest = _history(program)
    with Reader(program.home) as reader:
        plan = reader.plan(reader.resolve(newest))
    pack, offset, stored = plan.chunks[plan.manifest.pods[0].chunks[1]]
    path = Path(program.home.path, "packs", pack[:2], pack)
    data = bytearray(path.read_bytes())
    data[offset + record.HEAD_BYTES : offset + record.HEAD_BYTES + stored] = forged = os.urandom(stored)
    data[offset + 56 : offset + 88] = seal.digest(forged)
    data[offset + 88 : offset + 92] = struct.pack("<I", zlib.crc32(data[offset : offset + 88]))
    path.write_bytes(data)
    done = rekey.rekey(program.home.path, None if trusted else program.home)
    found = _states(done.home)
    assert len(found) == (3 if trusted else 2) and (newest in found) == trusted


@in_every_way
def test_a_live_run_is_left_alone(change: Change, program: Program) -> None:
    program.commit([SHARED])
    with pytest.raises(errors.Locked):
        change(program.home)
    assert len(_states(program.home)) == 1


@in_every_way
@pytest.mark.parametrize("step", ["install", "_enter", "_sweep"])
def test_dying_on_the_way_leaves_the_old_store_or_the_new_one_with_everything_in_it(
    change: Change, program: Program, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = _history(program)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(homes if step == "install" else rekey, step, die)
        with pytest.raises(KeyboardInterrupt):
            change(program.home)
    home = homes.open_home(program.home.path)
    assert (home.key == program.home.key) == (step == "install")
    with Reader(home) as reader:
        found = {point.id: content(home, reader.plan(point)) for point in reader.points()}
    assert found == states
    after = Program(home, program.run.id, list(states)[-1])
    after.commit([b"more"])
    after.die()
    forget(home, Policy(9))
    checked = verify(home)
    assert not checked.damages and not checked.notes and len(checked.points) == 4


def test_a_killed_change_is_finished_by_another_and_leaves_nothing_of_the_old_store(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left in the clear where a store was being encrypted, above all."""
    secret = b"in the clear until now"
    program.commit([secret])
    program.die()
    filelog.FileLog(program.home, program.run.id).touch(TOUCH, original=True)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rekey, "_sweep", die)
        with pytest.raises(KeyboardInterrupt):
            rekey.rekey(program.home.path, program.home, encrypt=True)
    assert _holds(program.home, secret) and _holds(program.home, TOUCH.path.encode())
    home = homes.open_home(program.home.path)
    assert home.encrypted
    done = rekey.rekey(home.path, home)
    assert done.points == 1 and not verify(done.home).damages
    assert not _holds(program.home, secret) and not _holds(program.home, TOUCH.path.encode())


TOUCH = Touch("/a/path/in/the/clear", "append", FileState("file", 3))


def _holds(home: Home, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in Path(home.path).rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["aside", "quarantine"])
def test_a_store_that_holds_files_for_people_is_not_encrypted_before_they_are_moved(
    program: Program, name: str
) -> None:
    program.commit([SHARED])
    program.die()
    Path(program.home.path, name).mkdir()
    with pytest.raises(errors.UsageError, match=name):
        rekey.rekey(program.home.path, program.home, encrypt=True)
    assert len(os.listdir(keys.directory())) == 1
    assert rekey.rekey(program.home.path, program.home).points == 1


@pytest.mark.parametrize("home", ["encrypted"], indirect=True)
def test_trust_reads_nothing_of_an_encrypted_store_whatever_its_format_says(program: Program) -> None:
    _history(program)
    _lose_key(program.home)
    with pytest.raises(errors.KeyMissing, match="encrypted"):
        rekey.rekey(program.home.path)
    path = Path(program.home.path, "FORMAT")
    path.write_bytes(path.read_bytes().replace(b"encrypted", b""))
    assert rekey.rekey(program.home.path).points == 0
