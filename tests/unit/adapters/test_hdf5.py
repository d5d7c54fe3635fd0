"""h5py: what is open for reading is opened again, once; what is open for writing is not taken for restored."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_memory import Lost, again

h5py = pytest.importorskip("h5py")


def test_files_groups_and_datasets_open_for_reading(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["group/numbers"] = [1, 2, 3]
    closed = h5py.File(path, "r")
    closed.close()
    with h5py.File(path, "r") as file:
        numbers, back, group, shut = again((file["group/numbers"], file, file["group"], closed))
    assert list(numbers) == [1, 2, 3] and list(group) == ["numbers"] and not shut
    back.close()
    assert not numbers and not group  # one file, as it was


def test_a_file_open_for_writing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["numbers"] = [1]
        lost = again((file, file["numbers"]))
    assert [type(each) for each in lost] == [Lost, Lost]
