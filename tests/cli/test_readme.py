"""README's five minutes: every file is written and every command run, in order, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
SETUP = re.compile(r"^python3 -m venv ")
SECONDS_MAX = 120


def blocks() -> list[tuple[str, str]]:
    """(language, text) of each fenced block whose language says that it is meant to be used."""
    return re.findall(r"^```(python|sh)\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home of its own, with `forkpoint` and `python` being those under test."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, words in (("python", ""), ("forkpoint", " -m forkpoint")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
        (commands / name).chmod(0o755)
    return {**os.environ, "HOME": str(tmp_path), "PATH": f"{commands}:{os.environ['PATH']}"}


def test_the_five_minutes_do_what_they_say(tmp_path: Path, environment: dict[str, str]) -> None:
    environment = {name: value for name, value in environment.items() if not name.startswith("XDG_")}
    place = tmp_path / "tour"
    place.mkdir()
    said = {}
    for language, text in blocks():
        if language == "python":
            name = re.match(r"# (\S+\.py)\n", text)
            assert name, f"a program without a name:\n{text}"
            (place / name[1]).write_text(text)
            continue
        for line in text.splitlines():
            if SETUP.match(line):
                continue
            command, _, remark = line.partition("  # exits ")
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=place,
                env=environment,
                capture_output=True,
                text=True,
                timeout=SECONDS_MAX,
                check=False,
            )
            status = done.returncode if done.returncode >= 0 else 128 - done.returncode
            assert status == int(remark or 0), f"{command}\n{done.stdout}\n{done.stderr}"
            said[command] = done.stdout
    restored = said["forkpoint restore"].splitlines()
    first = int(restored[0].split()[0])
    assert [int(line.split()[0]) for line in restored] == list(range(first, 51))
    assert 1 < first < 50
    again = [line.split() for line in said['forkpoint restore "epoch 1"'].splitlines()]
    assert again[0] == ["1", "1", "again"]
    assert [row[:2] for row in again] == [["1", "1"], ["2", "3"], ["3", "6"]]
    assert said[next(command for command in said if "forkpoint.load" in command)] == "3\n"


def test_every_verb_is_mentioned() -> None:
    from forkpoint.cli.app import VERBS

    text = README.read_text()
    assert not [verb for verb in VERBS if f"forkpoint {verb}" not in text]


def test_every_exit_status_is_explained() -> None:
    from forkpoint import errors

    statuses = {value.exit_status for value in vars(errors).values() if hasattr(value, "exit_status")}
    rows = {int(status) for status in re.findall(r"^\| (\d+) \|", README.read_text(), re.MULTILINE)}
    assert statuses - {125} <= rows
