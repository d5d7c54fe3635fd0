"""A captured stack goes through the same pods as everything else, and goes on in a new interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import forkpoint

HERE = Path(__file__).parent


def run(action: str, store: Path) -> str:
    env = {**os.environ, "PYTHONHASHSEED": "3", "PYTHONPATH": str(Path(forkpoint.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, str(HERE / "stack_runner.py"), action, str(store)],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_program_goes_on_with_running_generators_iterators_and_identities(tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert run("save", store) == (
        "([(0, 10, 'passed'), (1, 11, 'passed'), (2, 12, 'passed'), (3, 13, 'passed')], [('b', 2)])\n"
    )
    assert run("load", store) == (
        "([(0, 10, 'passed'), (1, 11, 'passed'), (2, 12, 'restored'), (3, 13, 'later')], [('b', 2)])\n"
    )
