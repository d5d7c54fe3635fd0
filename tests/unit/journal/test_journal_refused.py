"""A disk that refuses to sync the journal: the commit fails, and no later one is built on what is only in memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from journal_program import ROOT, Program, content

from forkpoint.journal import connection
from forkpoint.journal.reader import Reader
from forkpoint.journal.verify import verify

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers of x86-64")

_UNSYNCED = """
import ctypes, errno, struct
from forkpoint.journal import committer

def refuse(number):
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x00050000 | errno.EIO), (6, 0, 0, 0x7FFF0000)]
    filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filter))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0

def commit(*values, real=committer.Committer.commit, **named):
    refuse(74), refuse(75)  # fsync and fdatasync: the pack is durable, the journal cannot be
    real(*values, **named)

committer.Committer.commit = commit
"""

_READER = """
import sys
from forkpoint.journal import connection, home
with connection.reading(home.open_home(sys.argv[1])):
    print("reading", flush=True)
    sys.stdin.read()
"""


def _reading(program: Program) -> subprocess.Popen[bytes]:
    """Another process that is in the middle of reading the journal, so that its WAL cannot be folded away."""
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, program.home.path],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert reader.stdout is not None and reader.stdout.readline() == b"reading\n"
    return reader


@pytest.mark.parametrize("read", [False, True], ids=["alone", "beside a reader"])
def test_a_commit_that_was_not_synced_is_nowhere(program: Program, read: bool) -> None:
    first = program.commit_in_child([b"first"])[0]
    second = program.commit_in_child([b"second"])[0]
    wal = os.path.join(program.home.path, "journal.db-wal")
    before = os.stat(wal).st_size
    reader = _reading(program) if read else None
    failed, told = program.commit_in_child([b"failed"], first=_UNSYNCED)
    assert told.status == "F" and "I/O error" in told.message
    if reader is not None:
        reader.kill()
        reader.communicate()
    assert os.stat(wal).st_size == before, "it is cut off, whole as it was"
    third, told = program.commit_in_child([b"third"])
    assert told.status == "K"
    with Reader(program.home) as reader_now:
        found = {point.id: content(program.home, reader_now.plan(point)) for point in reader_now.points()}
    assert found == {first: [b"first"], second: [b"second"], third: [b"third"]} and failed not in found
    assert verify(program.home).damages == ()


def test_what_stood_before_it_is_written_anew(program: Program) -> None:
    """After a failed sync the kernel takes pages for written that are not: only writing them again makes them so."""
    with program.home.writer_lock():
        db = connection.open_writer(program.home)
        with connection.transaction(db):
            db.execute("INSERT INTO gap (first, last, tag, seal) VALUES (8, 9, x'', x'')")
        wal = os.path.join(program.home.path, "journal.db-wal")
        with open(wal, "rb") as file:
            stood = file.read()
        with open(wal, "ab") as file:
            file.write(b"a transaction that failed")
        before = _written()
        connection._take_back(db)
        assert _written() - before == len(stood)
        with open(wal, "rb") as file:
            assert file.read() == stood
        db.close()


def _written() -> int:
    """Bytes that this process has written to anything."""
    with open("/proc/self/io", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("wchar"))
