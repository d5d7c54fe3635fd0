"""Makes the in-memory pickler importable from the tests beside it."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forkpoint import _native

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _no_exit_function_stays() -> Iterator[None]:
    """A restore in the process that saved registers copies of what is there: each test would double them."""
    before = _native.exit_functions()
    yield
    for call in _native.exit_functions():
        if call not in before:
            atexit.unregister(call[0])


@pytest.fixture
def same_torch_settings_afterwards() -> Iterator[None]:
    import torch
    from in_memory import torch_state

    from forkpoint.capture import ambient

    state = torch_state()
    yield
    torch.set_default_device(None)
    ambient.restore(state)
