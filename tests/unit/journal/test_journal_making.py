"""A store that was made is there after a power failure, wherever whoever began to make it died."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from one_process import Fate, Processes

from forkpoint.journal import home as homes

pytestmark = pytest.mark.any_python


def _after(folder: Path, operation: int, seed: int) -> str:
    """What became of the first maker, which died there; a second one made the store, and then the power failed."""
    folder.mkdir()
    processes = Processes(folder, str(folder / "store"), random.Random(seed))
    try:
        began = processes.run(lambda: homes.create(str(folder / "store")), Fate("killed", operation))
        assert processes.run(lambda: homes.create(str(folder / "store"))) == "done"
        processes.disk.cut()
        homes.open_home(str(folder / "store"))
        return began
    finally:
        processes.end()


@pytest.mark.parametrize("seed", range(4))
def test_of_two_makers_one_of_which_died(tmp_path: Path, seed: int) -> None:
    operation = 1
    while _after(tmp_path / str(operation), operation, seed) == "died":
        operation += 1
    assert operation > 40, "the first maker lived through all it has to do"
