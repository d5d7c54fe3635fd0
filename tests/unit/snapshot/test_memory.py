"""A fork is refused when what it may copy is not there."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import pytest

from forkpoint.limits import COPIED_SHARE, MEMORY_RESERVE_BYTES
from forkpoint.snapshot import memory

GIB = 1 << 30


def test_a_program_is_forked_when_its_share_fits_and_not_a_byte_later() -> None:
    needed = int(GIB * COPIED_SHARE) + MEMORY_RESERVE_BYTES
    assert memory.decide(private=GIB, available=needed) is None
    reason = memory.decide(private=GIB, available=needed - 1)
    assert reason is not None
    assert "576 MiB" in reason
    assert "575 MiB" in reason


def test_private_memory_counts_what_was_written_and_not_what_is_shared() -> None:
    before = memory.private_bytes()
    with mmap.mmap(-1, 64 << 20, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS) as shared:
        shared.write(b"x" * len(shared))
        assert memory.private_bytes() - before < 70 << 20
    with mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as private:
        private[:: mmap.PAGESIZE] = b"x" * (len(private) // mmap.PAGESIZE)
        assert memory.private_bytes() - before > 60 << 20


def test_a_cgroup_with_less_than_the_machine_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text(f"{2 * GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB + (256 << 20)}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {256 << 20}\n")
    monkeypatch.setattr(memory, "_groups", lambda: (str(tmp_path),))
    monkeypatch.setattr(memory, "_machine_available", lambda: 100 * GIB)
    assert memory.available_bytes() == GIB


def test_a_cgroup_without_a_limit_leaves_it_to_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(memory, "_groups", lambda: (str(tmp_path),))
    monkeypatch.setattr(memory, "_machine_available", lambda: 3 * GIB)
    assert memory.available_bytes() == 3 * GIB


def test_this_process_may_be_forked_and_asking_imports_nothing() -> None:
    before = set(sys.modules)
    assert memory.check() is None
    assert set(sys.modules) == before
