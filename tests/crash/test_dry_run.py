"""`run --dry-run` tells what a restore point would hold, where the first would be, and leaves nothing behind."""

from __future__ import annotations

import pytest


@pytest.fixture
def rehearsed(make):
    """A bench whose temporary files and state are its own."""

    def rehearsed(code):
        made = make(code, automatic=True)
        (made.scratch / "tmp").mkdir()
        made.env["TMPDIR"] = str(made.scratch / "tmp")
        made.env["XDG_STATE_HOME"] = str(made.scratch / "state")
        return made

    return rehearsed


def test_it_tells_what_would_be_saved_what_not_and_where(rehearsed):
    here = rehearsed("""
        import socket, sys
        weights = bytearray(3_000_000)
        plug = socket.socketpair()
        print("begins", flush=True)
        def work(n):
            return sum(range(n))
        while True:
            work(1000)
    """)
    ran = here.run("--dry-run")
    said = ran.err.decode()
    assert (ran.status, ran.out) == (0, b"begins\n"), said[-2000:]
    assert "would be saved: 2.9 MiB" in said and "weights: bytearray" in said
    assert "would not be saved:" in said and "plug" in said
    assert "the first commit points are:" in said and "program.py:" in said
    assert all(line.startswith("forkpoint: ") for line in said.splitlines())
    assert not here.store.exists() and not list((here.scratch / "tmp").iterdir())
    assert not list((here.scratch / "state").rglob("*")) or not list((here.scratch / "state" / "forkpoint").iterdir())


def test_a_checkpoint_of_the_program_ends_it_too(rehearsed):
    here = rehearsed("""
        import forkpoint
        print("before", flush=True)
        forkpoint.checkpoint("mine")
        print("after", flush=True)
    """)
    ran = here.run("--dry-run", "--every", "3600")
    assert (ran.status, ran.out) == (0, b"before\n"), ran.err.decode()[-2000:]
    assert b"program.py:4" in ran.err


def test_a_program_that_ends_first_says_so(rehearsed):
    ran = rehearsed("import sys; sys.exit(5)").run("--dry-run")
    assert ran.status == 5 and b"nothing was captured" in ran.err, ran.err.decode()[-2000:]


def test_in_an_event_loop_the_loop_is_the_reason_and_not_what_it_calls(rehearsed):
    ran = rehearsed("""
        import asyncio, time
        async def work(until):
            while time.monotonic() < until:
                for i in range(1000):
                    i * i
                await asyncio.sleep(0)
        async def main():
            await asyncio.gather(*(work(time.monotonic() + 2) for _ in range(3)))
        asyncio.run(main())
    """).run("--dry-run", "--every", "0.1")
    assert b"an asyncio event loop is running" in ran.err, ran.err.decode()[-2000:]


def test_what_is_not_captured_is_told_once_and_at_the_end(rehearsed):
    here = rehearsed("""
        import socket, forkpoint
        plug = socket.socketpair()
        for i in range(3):
            forkpoint.checkpoint(wait=True)
    """)
    said = here.run().err.decode()
    assert said.count("NotCapturedWarning: plug[0]") == said.count("NotCapturedWarning: plug[1]") == 1, said[-2000:]
    (line,) = [line for line in said.splitlines() if "not captured: " in line]
    assert "restore points" in line and "plug[0], plug[1]" in line
    quiet = here.run("-q").err
    assert b"not captured: " not in quiet and b"NotCapturedWarning" in quiet


def test_after_an_abnormal_end_the_exact_next_command_is_told(rehearsed):
    here = rehearsed("""
        import forkpoint, sys
        taken = forkpoint.checkpoint(wait=True)
        print("point", flush=True)
        if not taken.restored:
            raise ValueError("on purpose")
    """)
    ran = here.run()
    (line,) = [line for line in ran.err.decode().splitlines() if "to go on from the last restore point" in line]
    words = line.partition(": forkpoint ")[2].split()
    restored = here.call(["-m", "forkpoint", *words])
    assert (restored.status, restored.out) == (0, b"point\n"), restored.err.decode()[-2000:]
