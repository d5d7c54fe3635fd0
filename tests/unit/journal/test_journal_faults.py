"""What the store does on a disk that is killed, cut off or refuses, operation by operation: what was found that way."""

from __future__ import annotations

import errno
import random
import shutil
from pathlib import Path

import pytest
from journal_program import Program
from seeded_disk import Died, SeededDisk

from forkpoint import errors, faultpoints
from forkpoint.journal import anchor, connection, disk
from forkpoint.journal import home as homes
from forkpoint.journal import rekey as rekeying
from forkpoint.journal import repair as repairing
from forkpoint.journal.reader import Reader
from forkpoint.journal.verify import verify

OPERATIONS_MAX = 400


def test_a_new_journal_is_whole_or_not_there_on_a_disk_that_fills_up(folder: Path, seeded: SeededDisk) -> None:
    """Closing it folded its WAL, and was silent when it could not: what was put in place had no tables."""
    made = refused = 0
    for free in range(0, 240_000, 3000):
        seeded.begin()
        home = homes.create(str(folder / f"store-{free}" / ".forkpoint"))
        seeded.free = free
        try:
            with home.writer_lock():
                connection.open_writer(home).close()
            made += 1
        except Exception:
            refused += 1
        seeded.free = None
        assert verify(home).damages == (), f"{free} bytes were free"
    assert made > 3 and refused > 3


def test_whatever_is_refused_while_the_key_changes_is_said_in_our_words(folder: Path, seeded: SeededDisk) -> None:
    """SQLite's own errors came out of it."""
    seeded.begin()
    home = homes.create(str(folder / ".forkpoint"))
    program = Program(home)
    point = program.commit([b"state"])
    program.die()
    refused = 0
    for at in range(1, OPERATIONS_MAX, 2):
        seeded.begin(refuses=(at, 1, errno.EIO, ""))
        try:
            home = rekeying.rekey(home.path, home).home
        except (errors.ForkpointError, OSError):
            refused += 1
        if seeded.steps < at:
            break
        seeded.begin()
        home = homes.open_home(home.path)
        with Reader(home) as reader:
            assert [found.id for found in reader.points()] == [point]
    assert refused > 20 and at < OPERATIONS_MAX - 2


@pytest.mark.parametrize("seed", range(6))
def test_the_power_fails_when_a_repair_is_nearly_done_and_the_next_one_finishes(
    folder: Path, seeded: SeededDisk, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The anchor it had taken away came back, and said that the store was older than it."""
    seeded.begin()
    home = homes.create(str(folder / ".forkpoint"))
    program = Program(home)
    first, newest = program.commit([b"first"]), program.commit([b"newest" * 9])
    program.die()
    with Reader(home) as reader:
        pack = reader.points()[0].pack
    path = Path(home.path, "packs", pack[:2], pack)
    path.write_bytes(path.read_bytes()[:200])
    seeded.adopt()

    def reach(name: str) -> None:
        if name == "repair.journal-replaced":
            seeded.end()
            raise Died(name)

    with monkeypatch.context() as patch:
        patch.setattr(faultpoints, "reach", reach)
        with pytest.raises(Died):
            repairing.repair(home)
    seeded.begin()
    seeded.chance = random.Random(seed)
    seeded.cut()
    repairing.repair(home)
    with Reader(home) as reader:
        assert [point.id for point in reader.points()] == [first] and newest
    assert verify(home).damages == ()


def test_a_store_has_an_anchor_from_its_making_on_whenever_that_is_killed(folder: Path, seeded: SeededDisk) -> None:
    """One that was killed just before counted as a copy until its first commit, and unnamed packs as restore points."""
    for at in range(1, OPERATIONS_MAX):
        path = str(folder / f"store-{at}" / ".forkpoint")
        seeded.begin(dies_at=at)
        try:
            homes.create(path)
            break
        except Died:
            seeded.begin()
        assert anchor.read(homes.create(path)) is not None, f"killed at operation {at}"
    assert 20 < at < OPERATIONS_MAX - 1


def test_a_pack_that_cannot_be_read_once_is_not_passed_over_without_a_word(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its journal a store's points are read from its packs: one was skipped, found whole later, and lost."""
    home = homes.create(str(folder / "whole" / ".forkpoint"))
    program = Program(home)
    points = {program.commit([b"first"]), program.commit([b"newest" * 9])}
    program.die()
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        Path(home.path, name).unlink(missing_ok=True)
    reading, reads = disk.pread, 0
    for at in range(1, OPERATIONS_MAX):
        path = folder / f"store-{at}" / ".forkpoint"
        shutil.copytree(home.path, path)

        def pread(fd: int, length: int, offset: int, last: int = at) -> bytes:
            nonlocal reads
            reads += 1
            if reads == last:
                raise OSError(errno.EIO, "once")
            return reading(fd, length, offset)

        reads = 0
        with monkeypatch.context() as patch:
            patch.setattr(disk, "pread", pread)
            try:
                done = repairing.repair(homes.open_home(str(path)))
            except (errors.ForkpointError, OSError):
                continue
        assert {*done.points, *(lost.id for lost in done.lost)} == points, f"read {at}"
        if not done.lost:
            with Reader(homes.open_home(str(path))) as reader:
                assert {point.id for point in reader.points()} == points, f"read {at}"
        if reads < at:
            break
    assert 10 < at < OPERATIONS_MAX - 1
