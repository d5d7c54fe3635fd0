"""Which forkpoint is under test: the installed one, or a checkout with its compiled module built in place."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import forkpoint

PACKAGE = Path(forkpoint.__path__[0])
CHECKOUT = Path(__file__).parents[1]

# Processes that tests start must see the same package, whatever directory they start in.
if PACKAGE.parent == CHECKOUT:
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]))

# A shell starts what it puts into the background with SIGINT ignored, and so would be all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Say at once what is wrong, instead of in every test."""
    if not any(PACKAGE.glob("_native.*.so")):
        raise pytest.UsageError(
            f"the forkpoint in {PACKAGE} has no compiled module: run the `pytest` of the environment it was installed "
            "into (not `python -m pytest`, which imports the checkout), or build it in place (CONTRIBUTING in README)"
        )


def pytest_report_header(config: pytest.Config) -> str:
    """Name the package under test."""
    return f"forkpoint: {PACKAGE}"


@pytest.fixture(autouse=True)
def _nothing_of_the_developer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tests run in a directory of their own: the checkout must not stand in for the installed package in processes
    they start. FORKPOINT_* variables must not decide what tests see.
    """
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("FORKPOINT_"):
            monkeypatch.delenv(name)
