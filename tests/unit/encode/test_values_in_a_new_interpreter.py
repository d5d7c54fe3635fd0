"""Every value of the case files keeps its behaviour, identity and aliases in a new interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import forkpoint

HERE = Path(__file__).parent
pytestmark = pytest.mark.xdist_group("values")
"""All on the worker that made the outcomes."""


def read_cases() -> list[dict[str, str]]:
    """Case files: `### name`, the code that builds, a line `---`, the code that checks in the new interpreter."""
    cases = []
    for path in sorted((HERE / "cases").glob("*.txt")):
        for block in path.read_text().split("### ")[1:]:
            name, _, body = block.partition("\n")
            build, _, check = body.partition("\n---\n")
            least = (3, 12) if "[3.12+]" in name else (3, 11)
            if sys.version_info >= least:
                cases.append({"name": f"{path.stem}: {name.strip()}", "build": build, "check": check})
    return cases


CASES = read_cases()


def run(action: str, cases: Path, store: Path) -> dict[str, str]:
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(forkpoint.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / "runner.py"), action, str(cases), str(store)],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{action} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    results: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return results


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    folder = tmp_path_factory.mktemp("values")
    listing, store = folder / "cases.json", folder / "store"
    listing.write_text(json.dumps(CASES))
    return run("save", listing, store), run("load", listing, store)


@pytest.fixture(scope="session")
def second_outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of values that were saved, came back, were saved again and came back again."""
    folder = tmp_path_factory.mktemp("values-again")
    listing, store = folder / "cases.json", folder / "store"
    listing.write_text(json.dumps(CASES))
    run("save", listing, store)
    run("again", listing, store)
    return run("load", listing, store)


@pytest.mark.parametrize("name", [case["name"] for case in CASES])
def test_value_survives(name: str, outcomes: tuple[dict[str, str], dict[str, str]]) -> None:
    built, checked = outcomes
    assert not built[name], built[name]
    assert not checked[name], checked[name]


@pytest.mark.parametrize("name", [case["name"] for case in CASES])
def test_value_survives_a_second_time(name: str, second_outcomes: dict[str, str]) -> None:
    assert not second_outcomes[name], second_outcomes[name]
