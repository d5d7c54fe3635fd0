"""Programs that nobody wrote, killed at their points: what stress/generated_programs.py does at length, in short."""

from __future__ import annotations

from test_machine import stress


def test_made_up_programs_go_on_where_they_were_killed(python, level):
    many = {"exhaustive": 20, "full": 4, "reduced": 2}[level]
    stress("generated_programs.py", "--python", python, "--programs", str(many), "--seed", "7000", "--points", "5")
