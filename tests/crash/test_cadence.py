"""Automatic commits keep their interval: not seldomer than asked for, and not as fast as children can write."""

from __future__ import annotations

BUSY = """
    import time
    end = time.monotonic() + 3
    while time.monotonic() < end:
        sum(range(1000))
    print("end")
"""


def test_commits_come_at_the_interval_asked_for(make):
    here = make(BUSY)
    ran = here.run("--every", "0.8", "--keep-last", "50")
    assert ran.out == b"end\n", ran.err.decode()[-2000:]
    points = here.json("log")["runs"][0]["points"]
    assert 2 <= len(points) <= 3, [p["created_at"] for p in points]


def test_a_commit_the_program_takes_itself_counts_for_the_interval(make):
    here = make("""
        import time, forkpoint
        began = time.monotonic()
        while time.monotonic() < began + 9:
            forkpoint.checkpoint()
            end = time.monotonic() + 0.2
            while time.monotonic() < end:
                sum(range(1000))
    """)
    assert here.run("--every", "4", "--keep-last", "50").status == 0
    assert {p["trigger"] for p in here.json("log")["runs"][0]["points"]} == {"explicit"}


def test_after_a_child_that_came_to_nothing_another_is_tried_before_the_interval_is_over(make):
    here = make("""
        import socket, time

        def work():
            held = socket.socket()
            time.sleep(0.05)
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                sum(range(1000))
            held.close()

        end = time.monotonic() + 6
        while time.monotonic() < end:
            work()
    """)
    assert here.run("--every", "3.1").status == 0
    points = here.json("log")["runs"][0]["points"]
    assert points and all(point["complete"] for point in points), points


def test_require_within_stops_a_program_that_cannot_be_protected_and_says_why(make):
    here = make("""
        import threading, time
        threading.Thread(target=time.sleep, args=(60,), daemon=True, name="in the way").start()
        while True:
            time.sleep(0.01)
    """)
    ran = here.run("--every", "0.1", "--require-within", "1", "-q")
    assert ran.status == 1, ran.err.decode()[-2000:]
    assert b"--require-within" in ran.err and b"in the way" in ran.err


def test_require_within_stops_a_program_in_a_long_c_call_and_the_next_run_goes_on(make):
    here = make("""
        import time, forkpoint
        taken = forkpoint.checkpoint(wait=True)
        print("point", flush=True)
        if not taken.restored:
            time.sleep(60)
        print("end")
    """)
    ran = here.run("--require-within", "1")
    assert (ran.status, ran.out) == (1, b"point\n"), ran.err.decode()[-2000:]
    assert b"to go on from the last one: forkpoint restore" in ran.err
    assert here.run("--require-within", "30").out == b"point\nend\n"


def test_require_within_leaves_a_protected_program_alone(make):
    here = make(BUSY)
    ran = here.run("--every", "0.3", "--require-within", "2")
    assert (ran.status, ran.out) == (0, b"end\n"), ran.err.decode()[-2000:]


def test_retention_while_running_keeps_what_keep_within_says(make):
    here = make("""
        import forkpoint
        for i in range(8):
            forkpoint.checkpoint("kept" if i == 1 else None, wait=True)
    """)
    assert here.run("--keep-last", "2").status == 0
    assert [p["seq"] for p in here.json("log")["runs"][0]["points"]] == [8, 7, 2]
    assert here.run("--keep-last", "2", "--keep-within", "1h").status == 0
    assert len(here.json("log")["runs"][0]["points"]) == 8


def test_a_program_that_works_in_functions_of_one_line_has_points(make):
    """Such a function ends without beginning another line, each time; CPython 3.13 tells of none in it at all."""
    here = make("""
        import time

        def step(x): time.sleep(0.02); return x * 3 % 1000003

        x = 1
        for i in range(100):
            x = step(x)
    """)
    assert here.run("--every", "0.3").status == 0
    assert len(here.json("log")["runs"][0]["points"]) >= 3
