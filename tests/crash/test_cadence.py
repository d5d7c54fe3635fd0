"""Automatic commits keep their interval: not seldomer than asked for, and not as fast as children can write."""

from __future__ import annotations

import textwrap

import pytest
from harness import Bench, Program

BUSY = """
    import time
    end = time.monotonic() + 3
    while time.monotonic() < end:
        sum(range(1000))
    print("end")
"""


@pytest.fixture
def make(tmp_path, python):
    def make(code):
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        (source / "program.py").write_text(textwrap.dedent(code))
        return Bench(Program("program", ("program.py",), source), tmp_path / "bench", python)

    return make


def test_commits_come_at_the_interval_asked_for(make):
    here = make(BUSY)
    ran = here.run("--every", "0.8", "--keep-last", "50")
    assert ran.out == b"end\n", ran.err.decode()[-2000:]
    points = here.json("log")["runs"][0]["points"]
    assert 2 <= len(points) <= 3, [p["created_at"] for p in points]
