"""Options of the crash suite, a bench for each test, and the table of verdicts at the end.

`--crash-python` (or CRASH_PYTHON) names the interpreter under test; it needs forkpoint, not pytest.
`--crash-level` (or CRASH_LEVEL): `full` kills every program at every point, in one chain of generations, and once more
from its first generation at its first, middle and last point. `reduced` (default) does the latter at one point and
chains a few programs. `exhaustive` does everything at every point, with the points before it committed too.
"""

from __future__ import annotations

import collections
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import Bench, Finding, Program, Verdict  # noqa: E402

LEVELS = ("reduced", "full", "exhaustive")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crash")
    group.addoption("--crash-python", default=os.environ.get("CRASH_PYTHON", sys.executable))
    group.addoption("--crash-level", choices=LEVELS, default=os.environ.get("CRASH_LEVEL", "reduced"))


@pytest.fixture(scope="session")
def python(pytestconfig: pytest.Config) -> str:
    """The interpreter the programs run on."""
    return str(pytestconfig.getoption("--crash-python"))


@pytest.fixture(scope="session")
def level(pytestconfig: pytest.Config) -> str:
    return str(pytestconfig.getoption("--crash-level"))


@pytest.fixture(scope="session")
def has(python: str) -> Callable[[Iterable[str]], bool]:
    """Does the interpreter under test have these modules, and is it this new (`python>=3.12`)?"""
    known: dict[str, bool] = {}

    def check(names: Iterable[str]) -> bool:
        for name in names:
            if name not in known:
                code = f"import importlib.util as u, sys; sys.exit(u.find_spec({name!r}) is None)"
                if name.startswith("python>="):
                    code = f"import sys; sys.exit(sys.version_info < ({name[8:].replace('.', ', ')}))"
                known[name] = subprocess.run([python, "-c", code], check=False).returncode == 0
            if not known[name]:
                return False
        return True

    return check


@pytest.fixture
def bench(tmp_path: Path, python: str, has: Callable[[Iterable[str]], bool]) -> Iterable[Callable[[Program], Bench]]:
    """Make a bench for a program; skips where a library it needs is missing; its files go when the test passed."""
    made: list[Bench] = []

    def make(program: Program, *, automatic: bool = False) -> Bench:
        if not has(program.needs):
            pytest.skip(f"needs {', '.join(program.needs)}")
        made.append(Bench(program, tmp_path / f"bench{len(made)}", python, automatic=automatic))
        return made[-1]

    yield make
    for one in made:
        shutil.rmtree(one.scratch, ignore_errors=True)


@pytest.fixture
def make(tmp_path: Path, python: str) -> Callable[[str], Bench]:
    """A bench for a program given as text; made again, it is another program in the same place."""

    def make(code: str, *, automatic: bool = False) -> Bench:
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        (source / "program.py").write_text(textwrap.dedent(code))
        return Bench(Program("program", ("program.py",), source), tmp_path / "bench", python, automatic=automatic)

    return make


@pytest.fixture
def verdicts(record_property: Callable[[str, object], None]) -> Callable[[str, str, Iterable[Finding]], None]:
    """Record findings for the table, and fail the test on any that is not PASS."""

    def check(program: str, mode: str, findings: Iterable[Finding]) -> None:
        found = list(findings)
        for finding in found:
            record_property("crash", f"{program}|{mode}|{finding.verdict}")
        bad = [f for f in found if f.verdict is not Verdict.PASS]
        assert found, f"{program}: nothing was killed"
        assert not bad, f"{program} ({mode}): {len(bad)} of {len(found)} failed\n" + "\n".join(map(str, bad[:6]))

    return check


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a program: how many kills ended in each verdict."""
    table: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ():
                if name == "crash":
                    program, mode, verdict = str(value).split("|")
                    table[f"{program} {mode}"][verdict] += 1
    if not table:
        return
    terminalreporter.section("kills and what came of them")
    total: collections.Counter[str] = collections.Counter()
    for row in sorted(table):
        total += table[row]
        bad = {k: v for k, v in table[row].items() if k != Verdict.PASS}
        if bad or terminalreporter.verbosity > 0:
            terminalreporter.write_line(f"{row:<44} {dict(table[row])}")
    terminalreporter.write_line(f"{'all ' + str(len(table)) + ' rows':<44} {dict(total)}")
