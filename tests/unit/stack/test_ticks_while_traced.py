"""Ticks that come faster than they are answered, while code is being traced, do not stop the program."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, time
from forkpoint import _native

ticked = 0

def late():
    return time.monotonic() + 0.003

def tick():
    global ticked
    until = late()  # long enough for the timer to want the next tick
    while time.monotonic() < until:
        pass
    late()
    ticked += 1

sys.settrace(lambda *_: None)
_native.ticks_start(tick, 0.001)
end = time.monotonic() + 0.5
while time.monotonic() < end or ticked < 5:
    late()
_native.ticks_stop()
print("went on")
"""


def test_a_tick_that_takes_longer_than_the_interval_is_no_endless_loop() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "went on\n", done.stderr
