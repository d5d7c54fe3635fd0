"""What the tests of this folder share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def no_module_left() -> Iterator[None]:
    """The module that world.py makes is gone after each test."""
    yield
    sys.modules.pop("program_under_test", None)
