"""The store's directory: made whole or completed, private, local, and found as git finds its own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journal_program import ROOT, Program

from forkpoint import errors
from forkpoint.journal import connection, disk, filesystem, keys
from forkpoint.journal import home as homes
from forkpoint.journal.home import Home
from forkpoint.journal.reader import Reader


def test_a_store_and_its_key_are_private_whatever_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    old = os.umask(0)
    try:
        home = homes.create(str(tmp_path / "store"))
        Program(home).commit([b"x"])
    finally:
        os.umask(old)
    for path in [
        Path(home.path),
        *Path(home.path).rglob("*"),
        tmp_path / "config" / "forkpoint" / "keys" / home.key_id,
    ]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert home.key.hex() not in "".join(
        file.read_bytes().hex() for file in Path(home.path).rglob("*") if file.is_file()
    )


def test_making_it_again_opens_it_and_an_interrupted_making_is_completed(home: Home) -> None:
    assert homes.create(home.path).store == home.store
    Path(home.path, "FORMAT").unlink()
    (Path(home.path) / "tmp").rmdir()
    again = homes.create(home.path)
    assert again.store != home.store and Path(home.path, "tmp").is_dir()


@pytest.mark.parametrize("name", ["FORMAT", ".gitignore", "CACHEDIR.TAG"])
def test_a_making_that_died_before_a_rename_is_completed(tmp_path: Path, home: Home, name: str) -> None:
    """Where the power went, or the process, between writing a file of the store and giving it its name."""
    new = tmp_path / "new"
    new.mkdir()
    (new / f".{name}.123.0a0b0c0d").write_bytes(b"")
    assert homes.create(str(new)).path == str(new)
    assert not list(new.glob(".*.123.*")), "what was begun is swept"


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path: Path, home: Home) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(errors.StartFailed, match=r"thesis\.tex"):
        homes.create(str(tmp_path / "mine"))
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]


def test_no_store_and_a_damaged_format_are_told_apart(tmp_path: Path, home: Home) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(errors.NoStore):
            homes.open_home(str(path))
    format = Path(home.path, "FORMAT")
    whole = format.read_bytes()
    for place in range(len(whole)):
        format.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(errors.ForkpointError) as caught:
            homes.open_home(home.path)
        assert caught.value.exit_status in (1, 12, 13)
    format.write_bytes(whole.replace(b"version: 2", b"version: 3"))
    with pytest.raises(errors.ForkpointError, match="format 3"):
        homes.open_home(home.path)


def test_another_directory_in_its_place_is_not_the_store(home: Home, tmp_path: Path) -> None:
    os.rename(home.path, tmp_path / "moved")
    os.mkdir(home.path)
    with pytest.raises(errors.NoStore, match="another directory"), home.held():
        pass


def test_keys_travel_by_export_and_import(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.export(home.key_id, str(tmp_path / "out"))
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(errors.KeyMissing):
        homes.open_home(home.path)
    assert keys.adopt(str(tmp_path / "out")) == home.key_id
    assert homes.open_home(home.path).key == home.key
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(errors.KeyMissing):
        keys.adopt(str(tmp_path / "junk"))


def test_a_key_file_named_by_the_environment_is_used_and_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORKPOINT_KEY_FILE", str(tmp_path / "my.key"))
    first = homes.create(str(tmp_path / "one"))
    assert homes.create(str(tmp_path / "two")).key == first.key
    assert homes.open_home(first.path).key == first.key


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "lustre"])
def test_network_filesystems_are_refused_by_name(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 /dev/x rw\n2 1 0:2 / {tmp_path} rw - {kind} server:/x rw\n")
    assert filesystem.kind(str(tmp_path / "store"), str(mounts)) == kind
    assert filesystem.kind("/etc", str(mounts)) == "ext4"
    monkeypatch.setattr(filesystem, "kind", lambda path: kind)
    with pytest.raises(errors.StartFailed, match=kind) as caught:
        homes.create(str(tmp_path / "store"))
    assert caught.value.exit_status == 125 and "--store" in caught.value.hint


def test_a_read_only_store_can_be_read_and_says_so_when_written_to(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = program.commit([b"x"])
    monkeypatch.setattr(disk, "access", lambda path, mode: False)
    before = {path: path.stat().st_mtime_ns for path in Path(program.home.path).rglob("*")}
    with Reader(program.home) as reader:
        assert reader.newest_sound(program.run.id).point.id == point
    assert {path: path.stat().st_mtime_ns for path in Path(program.home.path).rglob("*")} == before
    with pytest.raises(errors.StartFailed, match="read-only") as caught:
        homes.create(program.home.path)
    assert caught.value.exit_status == 125 and "--store" in caught.value.hint


def test_a_link_in_place_of_the_journal_is_not_followed(program: Program, tmp_path: Path) -> None:
    program.commit([b"x"])
    moved = tmp_path / "journal.db"
    os.rename(Path(program.home.path, "journal.db"), moved)
    os.symlink(moved, Path(program.home.path, "journal.db"))
    with pytest.raises(errors.IntegrityError, match="not a regular file"), program.home.writer_lock():
        connection.open_writer(program.home)


def test_the_journal_is_set_up_as_the_rules_say(program: Program) -> None:
    program.commit([b"x"])
    with program.home.writer_lock():
        db = connection.open_writer(program.home)
        facts = {
            name: db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "trusted_schema", "user_version")
        }
        db.close()
    assert facts == {
        "journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "trusted_schema": 0, "user_version": 1,
    }  # fmt: skip
    with connection.reading(program.home) as reading:
        assert reading is not None
        with pytest.raises(connection.DatabaseError):
            reading.execute("DELETE FROM point")


def test_a_new_journal_appears_whole_and_takes_over_no_stale_wal(home: Home) -> None:
    for name in ("journal.new", "journal.new-wal", "journal.db-wal", "journal.db-shm"):
        Path(home.path, name).write_bytes(b"left behind")
    with Reader(home) as reader:
        assert reader.points() == () and reader.damages == ()
    with home.writer_lock():
        connection.open_writer(home).close()
    assert not [name for name in os.listdir(home.path) if name.startswith("journal.") and name != "journal.db"]
    assert stat.S_IMODE(Path(home.path, "journal.db").stat().st_mode) == 0o600


def test_a_reader_does_not_hold_writers_up(program: Program) -> None:
    program.commit([b"x"])
    with connection.reading(program.home) as db, program.home.writer_lock():
        assert db is not None
        writing = connection.open_writer(program.home)
        started = time.monotonic()
        connection.fold(program.home, writing, above_bytes=0)
        assert time.monotonic() - started < 5.0
        writing.close()
        db.execute("ROLLBACK")


def test_only_connection_opens_sqlite_and_a_program_never_loads_it() -> None:
    code = (
        "import sys; from forkpoint.journal import committer, handover, home, known, lease, pack, packfile, plan\n"
        "committer.prepare(); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert not {"sqlite3", "pysqlite3", "_sqlite3", "sqlite_utils", "numpy", "click"} & set(done.stdout.split())


def test_a_second_writer_waits_and_then_says_who_is_in_the_way(home: Home) -> None:
    with home.writer_lock(), pytest.raises(errors.Locked) as caught, home.writer_lock(wait_seconds=0.01):
        pass
    assert caught.value.exit_status == 11


def test_ids_differ_though_the_program_has_made_os_urandom_reproducible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", bytes)
    assert homes.new_id() != homes.new_id()
