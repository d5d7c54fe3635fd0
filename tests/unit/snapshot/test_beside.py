"""A program started beside a child, and the child that waits for it: ends, deaths and memory."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forkpoint import _native
from forkpoint.snapshot import forker

DEADLINE = 20.0
SLEEP = (b"/bin/sleep", [b"sleep", b"1000"], [b"A=1"])


def _gone(pid: int) -> bool:
    """Dead, whoever has to collect it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _wait_until(what: object) -> None:
    until = time.monotonic() + DEADLINE
    while not what():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.01)


def test_it_gets_its_arguments_and_environment() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    code = f'printf "%s %s" "$0" "$A" > /proc/self/fd/{writer}'.encode()
    pid = _native.spawn(b"/bin/sh", [b"sh", b"-c", code, b"zero"], [b"A=1"])
    os.close(writer)
    assert os.read(reader, 100) == b"zero 1"
    os.close(reader)
    assert os.waitpid(pid, 0) == (pid, 0)


def test_what_cannot_be_started_is_an_error_and_leaves_no_process() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()
    with pytest.raises(FileNotFoundError):
        _native.spawn(b"/no/such/program", [b"x"], [])
    assert children.read_text() == before


@pytest.mark.parametrize("arguments", [[b"a", "b"], [b"a\0b"], [1]])
def test_what_are_no_strings_of_bytes_is_refused(arguments: list[object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        _native.spawn(b"/bin/true", arguments, [])  # type: ignore[arg-type]
    with pytest.raises((TypeError, ValueError)):
        _native.spawn(b"/bin/true", [b"true"], arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "expected"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_child_ends_as_it_does(code: str, expected: int) -> None:
    program = (
        f"from forkpoint import _native; _native.end_with(_native.spawn(b'/bin/sh', [b'sh', b'-c', b'{code}'], []))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == expected


def _beside(page: memoryview) -> None:
    pid = _native.spawn(*SLEEP)
    page[:4] = pid.to_bytes(4, "little")
    _native.end_with(pid)


def test_it_dies_with_the_child_and_the_memory_is_given_back_before() -> None:

    held = bytearray(os.urandom(1)) * (64 << 20)
    page = memoryview(mmap.mmap(-1, 4096))
    handle = forker.fork(lambda side: _beside(page), deadline_seconds=DEADLINE)
    _wait_until(lambda: any(page[:4]))
    pid = int.from_bytes(page[:4], "little")
    _wait_until(lambda: _resident(handle.pid) < len(held) // 2)
    assert not _gone(pid)
    handle.kill()
    report = handle.wait()
    assert report is not None and report.status == "?"
    _wait_until(lambda: _gone(pid))


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
