"""A store made without running a program, and the command line called in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_said import Said, Verb
from journal_program import Program

from forkpoint.cli.app import main
from forkpoint.journal import home as homes
from forkpoint.journal.home import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty store; the working directory is the one above it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return homes.create(str(tmp_path / "work" / ".forkpoint"))


@pytest.fixture
def program(home: Home) -> Iterator[Program]:
    """A run that is alive until the test ends."""
    made = Program(home)
    yield made
    made.die()


@pytest.fixture
def verb(capfd: pytest.CaptureFixture[str]) -> Verb:
    """Run one verb in this process."""

    def call(*arguments: str) -> Said:
        capfd.readouterr()
        status = main(arguments)
        said = capfd.readouterr()
        return Said(status, said.out, said.err)

    return call
