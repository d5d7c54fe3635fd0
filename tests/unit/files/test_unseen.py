"""A file that changed though nobody was seen to change it is found at the next commit point, and told of once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forkpoint.capture import unseen
from forkpoint.capture.unseen import Unseen


@pytest.fixture
def looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unseen:
    monkeypatch.chdir(tmp_path)
    Path("before").write_text("there before the program")
    os.utime("before", ns=(1, 1))
    return Unseen(time.time_ns() - 10**9, lambda path: path.endswith("ignored"))


def changed(looking: Unseen, *written: str) -> list[str]:
    return [os.path.basename(path) for path in looking.look([os.path.abspath(path) for path in written])]


def test_what_another_process_makes_or_changes_is_found_once(looking: Unseen) -> None:
    assert changed(looking) == []
    subprocess.run([sys.executable, "-c", "open('made', 'w'); open('before', 'a').write('x')"], check=True)
    assert sorted(changed(looking)) == ["before", "made"]
    assert changed(looking) == []
    Path("made").write_text("more")
    assert changed(looking) == ["made"]


def test_what_the_program_was_seen_to_write_and_databases_are_not_told_of(looking: Unseen) -> None:
    for name in ("seen", "rows.db", "rows.db-wal", "ignored"):
        Path(name).write_text("x")
    assert changed(looking, "seen") == []


def test_the_directories_that_the_program_writes_to_are_looked_at(looking: Unseen, tmp_path: Path) -> None:
    Path("results").mkdir()
    Path("results/seen").write_text("x")
    Path("results/other").write_text("x")
    assert changed(looking, "results/seen") == ["other"]


def test_where_standard_output_goes_is_not_told_of(looking: Unseen, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("log").write_text("x")
    facts = os.stat("log")
    monkeypatch.setattr(unseen, "_standard_streams", lambda: {(facts.st_dev, facts.st_ino)})
    assert changed(looking) == []


def test_a_directory_of_many_files_is_left_out(looking: Unseen) -> None:
    for number in range(unseen.limits.SCANNED_FILES_MAX + 1):
        Path(f"data{number}").touch()
    assert changed(looking) == changed(looking) == []
