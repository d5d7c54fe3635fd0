"""Leases: who is alive, and that a child outlives its program with the lease in hand."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from journal_program import ROOT, Program

from forkpoint import errors
from forkpoint.journal import lease
from forkpoint.journal.home import Home, new_id
from forkpoint.journal.reader import Reader


def test_a_run_has_one_program(program: Program) -> None:
    with pytest.raises(errors.Locked):
        lease.acquire(program.home, program.run.id)
    assert lease.is_alive(program.home, program.run.id) and lease.program_alive(program.home, program.run.id)
    program.die()
    assert not lease.is_alive(program.home, program.run.id)
    lease.acquire(program.home, program.run.id).release()


def test_asking_whether_a_run_is_alive_does_not_make_it_look_alive(home: Home) -> None:
    run = new_id()
    assert not lease.is_alive(home, run) and not lease.program_alive(home, run)
    assert not os.path.exists(os.path.join(home.path, "leases", f"{run}.lock"))


def test_the_lease_survives_an_exec_when_passed_on(home: Home) -> None:
    run = new_id()
    held = lease.acquire(home, run)
    code = (
        "import sys; from forkpoint.journal import lease; from forkpoint.journal.home import open_home\n"
        "home = open_home(sys.argv[1]); got = lease.adopt(sys.argv[2], int(sys.argv[3]))\n"
        "print(lease.program_alive(home, sys.argv[2]), open(home.path + '/leases/' + sys.argv[2] + '.lock').read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, home.path, run, str(held.pass_on())], pass_fds=[held.fd],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("True ")
    assert done.stdout.split()[1] != str(os.getpid())
    assert lease.is_alive(home, run) and not lease.program_alive(home, run), "the one noted is gone, the lease is not"
    held.release()


def test_forks_the_program_makes_do_not_keep_it_alive(home: Home) -> None:
    code = (
        "import os, sys; from forkpoint.journal import lease; from forkpoint.journal.home import open_home\n"
        "held = lease.acquire(open_home(sys.argv[1]), sys.argv[2])\n"
        "told, tell = os.pipe()\n"
        "if os.fork() == 0: os.write(tell, b'x'); sys.stdin.read(); os._exit(0)\n"
        "os.read(told, 1); os._exit(0)\n"
    )
    run = new_id()
    receiver, sender = os.pipe()
    subprocess.run(
        [sys.executable, "-c", code, home.path, run], env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=receiver, check=True,
    )  # fmt: skip
    alive = lease.is_alive(home, run)
    os.close(receiver)
    os.close(sender)
    assert not alive


def test_another_boot_or_process_with_the_same_number_is_not_the_program(program: Program) -> None:
    assert program.lease is not None
    pid, _, boot, namespace = (lease.process_identity(os.getpid()) or "").split()
    os.pwrite(program.lease.fd, f"{pid} 1 {boot} {namespace}".encode().ljust(160), 0)
    assert lease.is_alive(program.home, program.run.id) and not lease.program_alive(program.home, program.run.id)


def test_the_end_of_a_run_is_told_by_its_note_and_its_lease(program: Program) -> None:
    program.commit([b"x"])
    run = program.run.id

    def state() -> tuple[str, int | None]:
        with Reader(program.home) as reader:
            return reader.run(run).state, reader.run(run).exit

    assert state() == ("running", None)
    program.die()
    assert state() == ("died", None)
    lease.mark_end(program.home, run, 1, finished=False)
    assert state() == ("died", 1)
    lease.mark_end(program.home, run, 3, finished=True)
    assert state() == ("finished", 3)
    with Reader(program.home) as reader, pytest.raises(errors.UnknownReference, match="no unfinished run"):
        reader.newest_sound()
    lease.clear_end(program.home, run)
    assert state() == ("died", None)
    with Reader(program.home) as reader:
        assert reader.newest_sound().point.run == run


def test_readers_leave_no_files_behind(program: Program) -> None:
    program.commit([b"x"])
    with Reader(program.home) as reader:
        assert list(lease.readers(program.home)) == [reader.lease.name] if reader.lease else False
    assert list(lease.readers(program.home)) == []
    assert not [name for name in os.listdir(os.path.join(program.home.path, "leases")) if name.startswith("reader")]
