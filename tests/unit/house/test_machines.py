"""The linters see what they are there for: each is shown a violation planted in a copy, and must name it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

needs = {name: pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
         for name in ("importlinter", "ruff")}  # fmt: skip


@pytest.mark.xdist_group("held_together")
def test_tests_of_one_group_go_to_one_worker(request: pytest.FixtureRequest) -> None:
    if not hasattr(request.config, "workerinput"):
        pytest.skip("there are no workers")
    assert request.node.nodeid.endswith("@held_together")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The Python files of the package with their configuration."""
    shutil.copytree(ROOT / "forkpoint", tmp_path / "forkpoint", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def plant(path: Path, line: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(f"\n{line}\n")


@needs["importlinter"]
@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("capture/threads.py", "import forkpoint.encode.pickler", "stages never meet"),
        ("journal/pack.py", "from forkpoint.snapshot import forker", "stages never meet"),
        ("model.py", "import forkpoint.settings", "stages never meet"),
        ("settings.py", "from forkpoint import engine", "stages never meet"),
        ("utils.py", "X = 1", "stages never meet"),
        ("cli/store.py", "import forkpoint.journal.connection", "Only the journal's own files open SQLite"),
        ("snapshot/child.py", "import forkpoint.journal.connection", "cannot reach SQLite"),
        ("launch.py", "import forkpoint.journal.reader", "cannot reach SQLite"),
        ("journal/seal.py", "import forkpoint.journal.reader", "No two neighbours import each other"),
    ],
)
def test_import_linter_sees(copy: Path, file: str, line: str, contract: str) -> None:
    plant(copy / "forkpoint" / file, line)
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    broken = [said for said in done.stdout.splitlines() if "BROKEN" in said] or [done.stdout]
    assert any(contract in said for said in broken) or "utils" in done.stdout, done.stdout


@needs["ruff"]
@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("engine.py", "import ctypes", "TID251"),
        ("engine.py", "os.fork()", "TID251"),
        ("capture/stack.py", "import signal", "TID251"),
        ("journal/reader.py", "from pysqlite3 import dbapi2", "TID251"),
        ("snapshot/forker.py", "from . import child", "TID252"),
        ("engine.py", "try:\n    pass\nexcept Exception:\n    pass", "BLE001"),
    ],
)
def test_ruff_sees(copy: Path, file: str, line: str, rule: str) -> None:
    plant(copy / "forkpoint" / file, f"import os\n{line}")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", f"forkpoint/{file}"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert rule in done.stdout
