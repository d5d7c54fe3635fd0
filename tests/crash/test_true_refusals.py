"""Refusals are true: overruled, the program comes back wrong, fails, hangs, or cannot be saved at all."""

from __future__ import annotations

import signal

import pytest
from catalogue import REFUSALS
from harness import Bench, Program, Verdict, after_kill
from test_refusals import CONSTRUCTS

LIMIT_SECONDS = 10.0


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_a_refusal_that_is_overruled_brings_back_another_program(name, tmp_path, python, monkeypatch):
    asked = Bench(Program(name, ("constructs.py", name), REFUSALS), tmp_path / "asked", python)
    if b'"durable": true' in asked.run(env={"CRASH_FACTS": "1"}).out:
        pytest.skip("it resumes")
    here = Bench(Program(name, ("overruled.py", name), REFUSALS), tmp_path / "overruled", python)
    oracle = asked.oracle()
    killed = here.run(env={"FORKPOINT_FAULT": "program.durable:kill:1"})
    if killed.status == -signal.SIGKILL and b'"name"' not in killed.out:
        monkeypatch.setattr("harness.LIMIT_SECONDS", LIMIT_SECONDS)
        finding = after_kill(here, oracle, killed, name)
        assert finding.verdict is not Verdict.PASS
    else:
        assert b"not durable" in killed.err or killed.status, killed.err.decode()[-1500:]
