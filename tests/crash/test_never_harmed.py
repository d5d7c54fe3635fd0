"""What a program does with processes and threads goes on as ever: what stress/ does at length, in short."""

from __future__ import annotations

import pytest
from test_machine import stress


def test_a_fork_of_the_program_comes_by_a_line_that_was_armed_and_takes_no_commit(make):
    bench = make(
        """
        import os

        def main():
            for n in range(12):
                print("before", n)  # in the buffer of both: a commit in the child would write it once more
                pid = (sorted(range(200_000), key=str), os.fork())[1]
                if pid == 0:
                    mine = 0
                    for k in range(500):
                        mine += k
                    os._exit(0)
                os.waitpid(pid, 0)

        main()
        """,
        automatic=True,
    )
    ran = bench.run("--every", "0.01")
    assert (ran.status, ran.out) == (0, bench.oracle().out), ran.err.decode()
    assert b"no automatic commit" not in ran.err, ran.err.decode()


def test_commits_while_native_threads_compute_end_none_of_them(python, has, level):
    if level == "reduced":
        pytest.skip("not at this level")
    if not has(["sklearn"]):
        pytest.skip("needs scikit-learn")
    stress("forks_under_load.py", "--python", python, "--forks", "8", "--hangs", "1", "--quick")


def test_nothing_is_left_of_commits(python):
    stress("nothing_left.py", "--python", python, "--commits", "60")


def test_the_kernel_takes_the_child_where_memory_is_short(python):
    stress("memory_cgroup.py", "--python", python, "--commits", "2")


def test_a_child_that_the_program_forks_is_the_programs(make):
    """It has the command line of the program's process, in which forkpoint is named."""
    here = make("""
        import os, time
        child = os.fork()
        if not child:
            time.sleep(1.2)
            with open("result", "w") as file:
                file.write("42")
            os._exit(0)
        def wait(seconds):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                sum(range(1000))
        wait(1)
        print("working", flush=True)
        os.waitpid(child, 0)
        print(open("result").read(), flush=True)
        wait(1)
    """)
    ran = here.run("--every", "0.1", "--keep-last", "100")
    assert ran.out == b"working\n42\n", ran.err.decode()[-2000:]
    points = here.json("log")["runs"][0]["points"]
    assert points and min(here.json("show", point["id"])["stdout_bytes"] for point in points) >= len(b"working\n")
