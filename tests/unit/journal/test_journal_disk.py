"""The seeded disk is as bad as it says, and no worse: what the state machine finds rests on it."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite
from seeded_disk import Died, SeededDisk
from seeded_seam import put_under

from forkpoint.journal import disk, durable


def _after_cuts(folder: Path, work: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> set[bytes | None]:
    """What the file `name` is after power cuts of many seeds, each after `work` on the folder; None: not there."""
    found = set()
    for seed in range(60):
        place = folder / str(seed)
        place.mkdir()
        (place / "name").write_bytes(b"\1" * 2048)
        with monkeypatch.context() as patch:
            seeded = SeededDisk(place, random.Random(seed))
            put_under(seeded, patch)
            fd = os.open(place, os.O_RDONLY)
            work(fd)
            os.close(fd)
            seeded.cut()
        path = place / "name"
        found.add(path.read_bytes() if path.exists() else None)
    return found


def _write(directory: int, name: str, *, sync: bool) -> None:
    fd = durable.open_beneath(directory, (name,), os.O_WRONLY | os.O_CREAT)
    durable.write_all(fd, b"\2" * 2048)
    if sync:
        disk.fdatasync(fd)
    disk.close(fd)


def test_what_was_synced_is_there_and_what_was_not_in_parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _after_cuts(folder, lambda at: _write(at, "name", sync=True), monkeypatch) == {b"\2" * 2048}
    (folder := folder / "more").mkdir()
    found = _after_cuts(folder, lambda at: _write(at, "name", sync=False), monkeypatch)
    assert {b"\1" * 2048, b"\2" * 2048, b"\2" * 512 + b"\1" * 1536} & found and len(found) > 4
    assert {byte for data in found if data is not None for byte in data} == {1, 2}


@pytest.mark.parametrize("sync", [False, True])
def test_a_rename_is_there_once_its_directory_was_synced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    def work(at: int) -> None:
        _write(at, "new", sync=True)
        disk.rename("new", "name", src_dir_fd=at, dst_dir_fd=at)
        if sync:
            disk.fsync(at)

    found = _after_cuts(folder, work, monkeypatch)
    assert found == ({b"\2" * 2048} if sync else {b"\1" * 2048, b"\2" * 2048})


def test_a_sync_that_failed_has_lost_bytes_that_the_next_one_does_not_bring_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(at: int) -> None:
        fd = durable.open_beneath(at, ("name",), os.O_WRONLY)
        durable.write_all(fd, b"\2" * 2048)
        with monkeypatch.context() as patch:
            patch.setattr(SeededDisk, "step", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "refused")))
            with pytest.raises(OSError, match="refused"):
                disk.fdatasync(fd)
        disk.fdatasync(fd)
        disk.close(fd)

    assert len(_after_cuts(folder, work, monkeypatch)) > 2


def test_a_killed_process_leaves_the_disk_as_it_was_then(folder: Path, seeded: SeededDisk) -> None:
    fd = os.open(folder, os.O_RDONLY)
    seeded.begin(dies_at=3)
    with pytest.raises(Died):
        durable.replace_file(fd, "name", b"content")  # cleans up after any exception
    os.close(fd)
    (left,) = os.listdir(folder)
    assert left.startswith(".name.") and (folder / left).read_bytes() == b"content"


def test_sqlite_writes_to_the_seeded_disk_and_is_refused_there(folder: Path, seeded: SeededDisk) -> None:
    seeded.begin()
    db = sqlite.connect(str(folder / "a.db"), isolation_level=None)
    assert db.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE t(a)")
    seeded.free = 0
    with pytest.raises(sqlite.OperationalError, match="full"):
        db.execute("INSERT INTO t VALUES (1)")
    seeded.free = None
    db.execute("INSERT INTO t VALUES (2)")
    seeded.end()
    db.close()  # of a process that is gone: nothing is folded
    assert (folder / "a.db-wal").stat().st_size > 0
    seeded.begin()
    seeded.cut()
    db = sqlite.connect(str(folder / "a.db"))
    assert db.execute("SELECT a FROM t").fetchall() == [(2,)]
    db.close()
