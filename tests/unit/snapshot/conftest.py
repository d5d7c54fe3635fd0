"""Nobody is left of the children of a test."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from forks import DEADLINE, all_collected

from forkpoint.snapshot import forker


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    all_collected()


@pytest.fixture
def hanging() -> Iterator[Callable[[], forker.ChildHandle]]:
    """Starts children that only end when they are killed."""
    handles = []

    def start() -> forker.ChildHandle:
        handles.append(forker.fork(lambda side: signal.pause(), deadline_seconds=DEADLINE))
        return handles[-1]

    yield start
    for handle in handles:
        handle.kill()
