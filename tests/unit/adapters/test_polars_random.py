"""polars' random numbers go on where they were. In processes of their own: looking at the generator seeds it anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import forkpoint

pytest.importorskip("polars")

BEGINNING = """
import polars as pl
from forkpoint.capture.adapters.polars_random import ADAPTER
numbers = pl.Series(range(1000))
def drawn():
    return numbers.sample(5).to_list(), numbers.shuffle().head(3).to_list()
"""


def run(program: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(Path(forkpoint.__file__).parents[1])}
    command = [sys.executable, "-c", BEGINNING + program]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_it_goes_on_after_any_number_of_draws() -> None:
    program = """
pl.set_random_seed(7)
drawn()
wanted = [drawn(), drawn()]
pl.set_random_seed(7)
drawn()
state = ADAPTER.capture(None)
drawn()
ADAPTER.restore(state)
print([drawn(), drawn()] == wanted, wanted[0] != wanted[1])
"""
    assert run(program) == "True True\n"


def test_one_that_nobody_has_used_needs_nothing() -> None:
    assert run("print(ADAPTER.capture(None))") == "None\n"


def test_a_library_that_keeps_it_elsewhere_is_refused() -> None:
    program = """
from forkpoint.capture.adapters import polars_random
polars_random._set_seed = lambda seed: None
try:
    ADAPTER.capture(None)
except Exception as refused:
    print(type(refused).__name__, refused)
"""
    assert run(program).startswith("Refused polars' random generator is not where it is known to be")
