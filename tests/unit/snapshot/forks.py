"""Forks asked a question, and whole programs run, for the tests of forking."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from forkpoint.report import Report
from forkpoint.snapshot import forker, reaper

DEADLINE = 20.0


def ask(question: Callable[[], object], **options: Any) -> str:
    """What `question()` answers in a child, as text."""
    handle = forker.fork(lambda side: Report("K", message=str(question())), deadline_seconds=DEADLINE, **options)
    report = handle.wait()
    assert report is not None
    assert report.status == "K", report.message
    return report.message


def all_collected() -> None:
    """Wait until every child is gone altogether, not only its report here."""
    until = time.monotonic() + DEADLINE
    while reaper._living:
        assert time.monotonic() < until
        select.select([], [], [], 0.001)
        reaper.collect()


def run(program: str, *, options: tuple[str, ...] = (), **arguments: Any) -> str:
    """The output of a whole program, which must end well."""
    arguments.setdefault("timeout", 30)
    command = [sys.executable, *options, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **arguments)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)
