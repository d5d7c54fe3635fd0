"""A store of one's own for each test, and a stand-in for a program that commits to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_program import Program

from forkpoint.journal import home as homes
from forkpoint.journal.home import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("FORKPOINT_KEY_FILE", raising=False)
    return homes.create(str(tmp_path / "work" / ".forkpoint"))


@pytest.fixture
def program(home: Home) -> Iterator[Program]:
    made = Program(home)
    yield made
    made.die()
