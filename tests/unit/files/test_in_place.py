"""Files that change in place while a restore point is written are stored as they were at the commit point."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

import pytest

from forkpoint.capture import descriptors, in_place
from forkpoint.capture.written import look
from forkpoint.encode.written import FileWriter
from forkpoint.limits import READ_AT_COMMIT_BYTES_MAX


class Sink:
    """Keeps chunks by number."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def put(self, data: bytes | bytearray | memoryview, kind: str, itemsize: int = 1) -> bytes:
        self.chunks.append(bytes(data))
        return bytes([len(self.chunks) - 1])

    def holds(self, chunks: object) -> bool:
        return True


def stored(path: Path, file: IO[bytes], then: bytes, at: int) -> bytes | None:
    """What the child stores of a file whose program writes `then` after the commit point; None: it cannot know."""
    opened = [each for each in descriptors.opened(()) if each.path == str(path)]
    states = {str(path): look(str(path))}
    growing = {each.path: each.offset >= each.size for each in opened}
    held = in_place.read(opened, growing, states)
    file.seek(at)
    file.write(then)
    file.flush()
    sink = Sink()
    writer = FileWriter(
        sink,
        opened=growing,
        held=held,
        databases={},
        committed_ns=0,
        stored={},
        touched=dict,
        open_kept=lambda touch: -1,
        max_bytes=1 << 30,
    )
    writer.add(str(path), states[str(path)])
    return b"".join(sink.chunks[chunk[0]] for chunk in writer.pods[0].chunks) if writer.pods else None


@pytest.mark.parametrize("mode", ["w+b", "wb", "r+b"])
@pytest.mark.parametrize("offset", [0, 300_000])
def test_what_is_overwritten_after_the_commit_point_is_stored_as_it_was(tmp_path: Path, mode: str, offset: int) -> None:
    path = tmp_path / "table.bin"
    path.touch()
    before = bytes(300_000 if mode != "wb" or offset == 0 else 60_000)
    with path.open(mode) as file:
        file.write(before)
        file.seek(min(offset, len(before)))
        file.flush()
        assert stored(path, file, b"later", 7) == before


def test_reading_gives_up_no_lock_of_the_program(tmp_path: Path) -> None:
    path = tmp_path / "locked"
    path.write_bytes(b"x")
    for mode in ("r+b", "wb"):
        with path.open(mode) as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            opened = descriptors.opened(())
            in_place.read(opened, {str(path): False}, {str(path): look(str(path))})
            with open(f"/proc/self/fdinfo/{file.fileno()}") as facts:
                assert "lock:" in facts.read()


def test_a_log_is_left_to_the_child_and_what_is_too_much_is_owned_up_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab") as file:
        file.write(b"line\n")
        file.flush()
        opened = descriptors.opened(())
        assert in_place.read(opened, {str(path): True}, {str(path): look(str(path))}) == {}
    with path.open("r+b") as file:
        os.truncate(path, READ_AT_COMMIT_BYTES_MAX + 1)
        assert stored(path, file, b"later", 0) is None
