"""Descriptors that are only numbers: which are found, what of them is kept, and what cannot be."""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from forkpoint import _native, errors
from forkpoint.capture.adapters import raw_descriptors
from forkpoint.capture.adapters.raw_descriptors import ADAPTER


@pytest.fixture(autouse=True)
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    _native.audit_start(lambda event, args: None)
    yield
    _native.audit_stop()


@pytest.fixture
def close() -> Iterator[list[int]]:
    opened: list[int] = []
    yield opened
    for fd in opened:
        os.close(fd)


def of(fd: int) -> raw_descriptors.Numbered | None:
    return next((file for file in ADAPTER.before_fork().files if file.fd == fd), None)


def test_what_os_open_opened_is_found_and_what_open_did_is_not(tmp_path: Path, close: list[int]) -> None:
    fd = os.open("data", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    close.append(fd)
    os.write(fd, b"abc")
    found = of(fd)
    assert found is not None and (found.path, found.offset, found.inheritable) == (str(tmp_path / "data"), 3, False)
    assert found.flags & os.O_APPEND and not found.flags & os.O_CREAT
    with open("other", "w") as file:
        assert of(file.fileno()) is None


@pytest.mark.parametrize("there", [True, False], ids=["led to a file", "led to nothing yet"])
def test_a_file_that_was_opened_by_way_of_links_is_found(tmp_path: Path, close: list[int], there: bool) -> None:
    if there:
        Path("data").touch()
    os.symlink("data", "newest")
    os.symlink("newest", "link")
    fd = os.open("link" if there else "newest", os.O_RDWR | os.O_CREAT)
    close.append(fd)
    found = of(fd)
    assert found is not None and found.path == str(tmp_path / "data")


def test_a_number_that_was_given_to_something_else_is_not_taken_for_what_it_was(close: list[int]) -> None:
    fd = os.open("data", os.O_RDWR | os.O_CREAT)
    made = os.memfd_create("not opened by os.open")
    os.dup2(made, fd)
    close += [fd, made]
    assert of(fd) is None


def test_locks_are_read_from_the_kernel(close: list[int]) -> None:
    fd = os.open("data", os.O_RDWR | os.O_CREAT)
    close.append(fd)
    fcntl.lockf(fd, fcntl.LOCK_SH, 10, 5)
    fcntl.flock(fd, fcntl.LOCK_EX)
    found = of(fd)
    assert found is not None and sorted(found.locks) == [("FLOCK", True, 0, 0), ("POSIX", False, 5, 10)]


def test_a_deleted_file_that_is_only_a_number_is_refused_and_with_an_object_over_it_is_the_objects(
    close: list[int],
) -> None:
    fd = os.open("data", os.O_RDWR | os.O_CREAT)
    close.append(fd)
    os.unlink("data")
    with pytest.raises(errors.Refused, match="leads to a deleted file"):
        ADAPTER.before_fork()
    os.ftruncate(fd, mmap.PAGESIZE)
    with mmap.mmap(fd, mmap.PAGESIZE):
        assert of(fd) is None, "shared memory of multiprocessing is kept like this"
    with open(fd, "r+", closefd=False):
        assert of(fd) is None


def restored(state: raw_descriptors.State) -> None:
    """In this process, whose descriptors of that state are closed."""
    ADAPTER.prepare(ADAPTER.facts())
    ADAPTER.restore(state)


def test_it_comes_back_at_its_number_unless_a_file_object_has_that(close: list[int]) -> None:
    fd = os.open("data", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"abcdef")
    os.lseek(fd, 2, os.SEEK_SET)
    state = ADAPTER.before_fork()
    os.close(fd)
    restored(state)
    assert os.read(fd, 2) == b"cd" and of(fd) is not None
    os.lseek(fd, 1, os.SEEK_SET)  # as if it were an object's, which has opened it before
    ADAPTER.restore(state)
    assert os.read(fd, 1) == b"b"
    close.append(fd)


def test_a_lock_that_another_process_has_meanwhile_is_said(close: list[int]) -> None:
    fd = os.open("data", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    state = ADAPTER.before_fork()
    os.close(fd)
    other = os.open("./data", os.O_RDWR)
    moved = fcntl.fcntl(other, fcntl.F_DUPFD, 60)
    os.close(other)
    fcntl.flock(moved, fcntl.LOCK_EX)
    close += [moved, fd]
    with pytest.raises(errors.RestoreFailed, match="another process has it locked"):
        restored(state)


def test_an_empty_pipe_is_made_again_and_one_with_bytes_in_it_is_not(
    monkeypatch: pytest.MonkeyPatch, close: list[int]
) -> None:
    monkeypatch.delitem(raw_descriptors.sys.modules, "multiprocessing.connection", raising=False)
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    close += [reader, writer]
    state = ADAPTER.before_fork()
    assert (reader, writer) in [pair[:2] for pair in state.pipes]
    os.write(writer, b"x")
    assert (reader, writer) not in [pair[:2] for pair in ADAPTER.before_fork().pipes]
    os.close(reader)
    os.close(writer)
    state = raw_descriptors.State((), tuple(pair for pair in state.pipes if pair.reader == reader))
    ADAPTER.prepare([reader, writer])
    ADAPTER.restore(state)
    os.write(writer, b"y")
    assert os.read(reader, 5) == b"y" and not os.get_blocking(reader) and os.get_blocking(writer)


def test_a_file_is_known_whatever_it_is_called_later(tmp_path: Path, close: list[int]) -> None:
    fd = os.open("log.tmp", os.O_RDWR | os.O_CREAT)
    close.append(fd)
    os.rename("log.tmp", "log.txt")
    found = of(fd)
    assert found is not None and found.path == str(tmp_path / "log.txt")
    os.rename("log.txt", "log.old")
    found = of(fd)
    assert found is not None and found.path == str(tmp_path / "log.old")


def test_a_number_that_a_folder_had_is_not_in_the_way_when_something_else_has_it() -> None:
    fd = os.open(".", os.O_RDONLY)
    os.close(fd)
    with socket.socket() as one:
        assert one.fileno() == fd and of(fd) is None


def test_a_number_too_high_to_come_back_is_refused_and_a_file_object_with_one_is_not(close: list[int]) -> None:
    fds = [os.open("data", os.O_RDWR | os.O_CREAT) for _ in range(_native.DESCRIPTOR_MIN)]
    close += fds
    with pytest.raises(errors.Refused, match=f"none of the first {_native.DESCRIPTOR_MIN}"):
        ADAPTER.before_fork()
    for fd in fds:
        if fd >= _native.DESCRIPTOR_MIN:
            close.remove(fd)
            os.close(fd)
    with open("data", opener=os.open):
        assert of(fds[0]) is not None


def test_what_an_opener_opened_is_the_file_object_s_and_a_file_without_name_is_refused() -> None:
    with open("data", "w+", opener=lambda path, flags: os.open(path, flags, 0o600)):
        os.unlink("data")
        ADAPTER.before_fork()
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR)
    try:
        with pytest.raises(errors.Refused, match="leads to a deleted file"):
            ADAPTER.before_fork()
    finally:
        os.close(fd)


def test_a_descriptor_for_its_path_alone_is_found(close: list[int]) -> None:
    Path("data").touch()
    fd = os.open("data", os.O_PATH)
    close.append(fd)
    found = of(fd)
    assert found is not None and found.offset == 0


def test_looking_for_the_next_number_keeps_the_program_s_locks(close: list[int]) -> None:
    Path("data").touch()
    standard, saved = os.open("data", os.O_RDWR), os.dup(0)
    close += [standard, saved]
    os.dup2(standard, 0)
    try:
        fcntl.lockf(0, fcntl.LOCK_EX)
        close.append(os.open("other", os.O_RDWR | os.O_CREAT))
        assert raw_descriptors._locks(0) == (("POSIX", True, 0, 0),)
    finally:
        os.dup2(saved, 0)
