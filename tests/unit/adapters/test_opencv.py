"""cv2's random generator comes back as it was seeded, and is refused when it cannot.

In processes of their own: looking at the generator draws from it, and nobody can put it back.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import forkpoint

pytestmark = pytest.mark.skipif(importlib.util.find_spec("cv2") is None, reason="could not import 'cv2'")

BEGINNING = """
import sys
import cv2, numpy as np
from forkpoint.capture.adapters.opencv_random import ADAPTER
def drawn():
    numbers = np.zeros((1, 5))
    cv2.randu(numbers, 0, 1)
    return numbers.tolist()
"""


def run(program: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(Path(forkpoint.__file__).parents[1])}
    command = [sys.executable, "-c", BEGINNING + program]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("seed", [1, 123456, 2**31 - 1])
def test_a_seeded_generator_comes_back(seed: int) -> None:
    program = f"""
cv2.setRNGSeed({seed})
expected = drawn()
cv2.setRNGSeed({seed})
state = ADAPTER.capture(None)
drawn()
ADAPTER.restore(state)
print(drawn() == expected)
"""
    assert run(program) == "True\n"


def test_one_that_was_never_touched_needs_nothing() -> None:
    assert run("print(ADAPTER.capture(None))") == "None\n"


def test_one_that_was_drawn_from_is_refused() -> None:
    program = """
drawn()
try:
    ADAPTER.capture(None)
except Exception as refused:
    print(type(refused).__name__, refused)
"""
    assert run(program).startswith("Refused cv2's random numbers have been drawn from")
