"""A store hurt at random, and by those who may write to it without the key: detected before anything is decoded."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from journal_program import ROOT, Program, content

from forkpoint import errors
from forkpoint.journal import anchor, contents, known, seal
from forkpoint.journal.home import Home
from forkpoint.journal.reader import Reader
from forkpoint.journal.retention import Policy, forget
from forkpoint.journal.verify import verify

SCRIPT = Path(__file__).parents[3] / "stress" / "mutations.py"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--seed", "20", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["plain", "encrypted"])
def test_random_damage_is_detected_before_decoding_or_harmless(kind: str) -> None:
    done = _run("--count", "100", *["--encrypt"] * (kind == "encrypted"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("plant", ["tags", "chain"])
def test_a_check_that_is_left_out_is_noticed(plant: str) -> None:
    done = _run("--count", "60", "--plant", plant)
    assert done.returncode == 0, done.stdout + done.stderr


def _sql(home: Home, text: str) -> None:
    db = sqlite3.connect(os.path.join(home.path, "journal.db"), isolation_level=None)
    db.executescript(text)
    db.close()


def _named(home: Home) -> set[str]:
    return {damage.invariant for damage in verify(home).damages}


def test_one_bit_in_a_text_of_the_journal_is_damage_like_any_other(program: Program) -> None:
    """It made every verb end with a UnicodeDecodeError."""
    point = program.commit([b"state"])
    journal = Path(program.home.path, "journal.db")
    for text in (b"train.py:42", b"CREATE TABLE gap", b'["train.py"'):
        whole = journal.read_bytes()
        assert text in whole
        journal.write_bytes(whole.replace(text, bytes([text[0] | 0x80]) + text[1:]))
        assert verify(program.home).damages
        with Reader(program.home) as reader:
            assert content(program.home, reader.newest_sound(program.run.id).plan) == [b"state"]
            assert reader.newest_sound(program.run.id).point.id == point
        journal.write_bytes(whole)


@pytest.mark.parametrize("value", [None, 7, 0.5, "a text", b"", b"x" * 31])
def test_what_stands_where_a_tag_should_is_no_tag(value: object) -> None:
    """A damaged page of the journal gave NULL for one, and verify ended with a TypeError."""
    assert not seal.same(bytes(32), value)


def test_a_forget_plan_without_its_seal_hides_nothing(program: Program) -> None:
    point = program.commit([b"state"])
    _sql(program.home, "INSERT INTO plan SELECT 'evil', 3, id, '', x'00' FROM pack; UPDATE point SET label = 'x'")
    assert "every plan is sealed" in _named(program.home)
    with Reader(program.home) as reader:
        assert reader.has(point), "found in the packs, whatever the plan says of them"
    with pytest.raises(errors.IntegrityError):
        forget(program.home, Policy(keep_last=1))


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TRIGGER t AFTER INSERT ON point BEGIN DELETE FROM point WHERE number < new.number; END",
        "CREATE VIEW v AS SELECT * FROM point",
        "CREATE INDEX i ON point(label)",
    ],
)
def test_what_is_added_to_the_journal_s_tables_is_damage(program: Program, text: str) -> None:
    first = program.commit([b"first"])
    _sql(program.home, text)
    assert "the journal can be read" in _named(program.home)
    with pytest.raises(Exception, match="not those that were made"):
        program.commit([b"second"])
    with Reader(program.home) as reader:
        assert reader.has(first)


def test_packs_the_journal_forgot_to_list_are_not_swept(program: Program) -> None:
    points = [program.commit([b"shared" * 50, bytes([step])]) for step in range(3)]
    program.die()
    _sql(program.home, "DELETE FROM pack")
    forget(program.home, Policy(keep_last=9))
    with Reader(program.home) as reader:
        assert {point.id for point in reader.points() if not reader.sound(point)} == set(points)


def test_pipes_and_links_among_the_leases_are_neither_waited_for_nor_followed(program: Program) -> None:
    program.commit([b"state"])
    program.die()
    lock = Path(program.home.path, "leases", f"{program.run.id}.lock")
    lock.unlink()
    os.mkfifo(lock)
    assert verify(program.home).damages == ()
    lock.unlink()
    lock.symlink_to("/dev/zero")
    with pytest.raises(errors.IntegrityError, match=r"leases/.*\.lock"):
        verify(program.home)


@pytest.mark.parametrize("kind", ["pipe", "directory", "link"])
def test_an_anchor_that_is_no_file_is_named(program: Program, kind: str) -> None:
    program.commit([b"state"])
    path = Path(program.home.anchor_path)
    path.unlink()
    {"pipe": lambda: os.mkfifo(path), "directory": path.mkdir, "link": lambda: path.symlink_to("/dev/zero")}[kind]()
    assert anchor.read(program.home) is None
    assert "the anchor is as written" in _named(program.home)


@pytest.mark.parametrize("name", ["packs", "leases", "tmp"])
def test_a_store_without_one_of_its_directories_says_which(program: Program, name: str) -> None:
    program.die()
    Path(program.home.path, name).rename(Path(program.home.path, "elsewhere"))
    with pytest.raises(errors.IntegrityError, match=name), program.home.held(name):
        pass


def test_what_a_commit_reads_before_its_tag_is_bounded(program: Program) -> None:
    """A sparse file costs an attacker nothing; it is never read into memory whole."""
    program.commit([b"state"])
    for name in (f"{program.run.id}.known", f"{program.run.id}.contents"):
        with open(Path(program.home.path, "leases", name), "wb") as file:
            file.truncate(1 << 29)
    assert known.load(program.home, program.run.id, program.parent) == {}
    assert contents.read(program.home, program.run.id) == {}
