"""The demo: its programs are ordinary scripts, and it tells the truth in its exit status."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import forkpoint
from forkpoint.cli.commands import demo

PROGRAMS = sorted((Path(forkpoint.__path__[0]) / "demo").glob("*.py"))


def test_there_is_a_program_for_each_library() -> None:
    assert {path.stem for path in PROGRAMS} == {f"train_{module or 'plain'}" for module in demo.PROGRAMS.values()}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_the_programs_know_nothing_of_forkpoint(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [name for name in imported if name.startswith(("forkpoint", "signal", "pickle", "os"))]


def test_it_kills_restores_and_compares(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "forkpoint", "demo", "--with", "plain Python", "--keep", str(tmp_path / "kept")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill -9 after" in done.stdout
    assert done.stdout.count(": identical") == 2
    assert (tmp_path / "kept" / "store" / "FORMAT").exists()
    assert (tmp_path / "kept" / "killed" / "weights.bin").exists()


@pytest.mark.parametrize("what", ["weights", "output"])
def test_a_restored_run_that_differs_is_1(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {name: tmp_path / name for name in ("uninterrupted", "killed")}
    for name, place in places.items():
        place.mkdir()
        (place / "weights.bin").write_bytes(b"different" if (what, name) == ("weights", "killed") else b"the same")
    whole = demo.Ended(0, b"1\n2\n3\n", 1.0, 1.0)
    killed = demo.Ended(-9, b"1\n2\n", 0.5, 0.5)
    restored = demo.Ended(0, b"2\n4\n" if what == "output" else b"2\n3\n", 0.5, 0.5)
    assert demo._compare(places, tmp_path, whole, killed, restored) == 1
    assert "DIFFERENT" in capsys.readouterr().out


def test_a_training_that_ends_before_its_first_point_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the first try left counts for nothing."""
    places = {"killed": tmp_path / "killed"}
    for place in (places["killed"], tmp_path / "store"):
        place.mkdir()
        (place / "old").touch()
    runs = [demo.Ended(0, b"1\n2\n", 1.0, 1.0), demo.Ended(-9, b"1\n", 1.0, 1.0)]
    monkeypatch.setattr(demo, "_run", lambda *arguments: runs.pop(0))
    assert demo._killed([], places, tmp_path, 2).status == -9
    assert [*places["killed"].iterdir()] == [] and not (tmp_path / "store").exists()
    assert "Once more" in capsys.readouterr().out
