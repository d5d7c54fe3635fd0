"""Files that are mapped for writing stay, in a child, what they were at the fork."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

import pytest

from forkpoint.capture import mappings
from forkpoint.errors import Refused


def test_a_child_sees_what_was_there_and_the_program_writes_on(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(b"before" + bytes(10_000))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as table:
        found = mappings.at_commit()
        assert str(path) in found.paths
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            mappings.hold_still(found)
            os.read(reader, 1)
            os._exit(table[:6] != b"before")
        table[:6] = b"later!"
        os.write(writer, b"x")
        assert os.waitpid(child, 0)[1] == 0
        assert path.read_bytes()[:6] == b"later!"
        os.close(reader)
        os.close(writer)


def test_reading_and_private_mappings_do_not_count_and_too_much_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table"
    path.write_bytes(bytes(10_000))
    with path.open("r+b") as file:
        with (
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ),
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY),
            mmap.mmap(-1, 4096),
        ):
            assert str(path) not in mappings.at_commit().paths
        monkeypatch.setattr(mappings, "MAPPED_BYTES_MAX", 4096)
        with mmap.mmap(file.fileno(), 0), pytest.raises(Refused, match="mapped for writing"):
            mappings.at_commit()


def test_without_mappings_nothing_is_read_until_a_file_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([5, 5, 6])
    monkeypatch.setattr(mappings._native, "files_mapped", lambda: next(counts))
    monkeypatch.setattr(mappings, "_SHARED", mappings.re.compile(b"(no)(such)(line)"))
    looked: list[str] = []
    monkeypatch.setattr(mappings, "open", lambda *args: looked.append(args[0]) or open(*args), raising=False)
    for _ in range(3):
        mappings.at_commit()
    assert len(looked) == 2


def test_what_c_code_maps_unseen_is_refused_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table"
    path.write_bytes(bytes(10_000))
    monkeypatch.setattr(mappings._native, "files_mapped", lambda: 7)
    mappings.at_commit()
    libc = ctypes.CDLL(None)
    libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, (ctypes.c_void_p, *[ctypes.c_long] * 5)
    libc.munmap.argtypes = ctypes.c_void_p, ctypes.c_long
    with path.open("r+b") as file:
        mapped = libc.mmap(None, 4096, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file.fileno(), 0)
    try:
        found = mappings.at_commit()
        assert not found.paths
        with pytest.raises(Refused, match=f"{path} has been mapped for writing by C code"):
            mappings.hold_still(found)
        mappings.look_again()
        assert str(path) in mappings.at_commit().paths
    finally:
        libc.munmap(mapped, 4096)
