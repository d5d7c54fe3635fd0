"""A store of one's own for each test, and a stand-in for a program that commits to it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_program import Program
from seeded_disk import SeededDisk
from seeded_seam import put_under
from sqlite_disk import sqlite_on

from forkpoint.journal import home as homes
from forkpoint.journal.home import Home


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Modules that name STORES try each test on each kind of store."""
    stores = getattr(metafunc.module, "STORES", ())
    if stores and "home" in metafunc.fixturenames:
        metafunc.parametrize("home", stores, indirect=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Home:
    """Plain, unless a test asks for an "encrypted" one: `pytest.mark.parametrize("home", [...], indirect=True)`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("FORKPOINT_KEY_FILE", raising=False)
    encrypt = getattr(request, "param", "plain") == "encrypted"
    return homes.create(str(tmp_path / "work" / ".forkpoint"), encrypt=encrypt)


@pytest.fixture
def program(home: Home) -> Iterator[Program]:
    made = Program(home)
    yield made
    made.die()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "disk"
    made.mkdir()
    return made


@pytest.fixture
def seeded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SeededDisk]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.delenv("FORKPOINT_KEY_FILE", raising=False)
    made = SeededDisk(folder, random.Random(1))
    with sqlite_on(made):
        put_under(made, monkeypatch)
        yield made
