"""While code is being traced, neither ticks that come too fast nor other calls that are queued stop the program.

3.11 runs no pending call inside another, and traced code waits at each RESUME for as long as one is left.
"""

from __future__ import annotations

import subprocess
import sys

OTHER = """
import ctypes, threading
library = ctypes.CDLL(None)
library.Py_AddPendingCall.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
nothing = ctypes.cast(library.abs, ctypes.c_void_p)  # called with 0 it gives 0, as a pending call must

def other():
    while not in_tick:
        time.sleep(0)
    library.Py_AddPendingCall(nothing, None)
    threading.Event().wait()

threading.Thread(target=other, daemon=True).start()
"""

PROGRAM = """
import sys, time
from forkpoint import _native

ticked = 0
in_tick = False

def late():
    return time.monotonic() + 0.003

def tick():
    global ticked, in_tick
    in_tick = True
    until = late()  # long enough for the timer to want the next tick
    while time.monotonic() < until:
        pass
    late()
    in_tick = False
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


def test_a_call_that_another_thread_queues_during_a_tick_is_no_endless_loop() -> None:
    """Our timer may be that thread: late in telling the main thread of a call that it has run already."""
    program = PROGRAM.replace("sys.settrace", f"{OTHER}sys.settrace")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "went on\n", done.stderr


def test_nor_is_it_when_the_tick_itself_begins_to_trace() -> None:
    """As ours does to stop a frame at its next line (3.11; later versions have no such trace function)."""
    arm = "    _native.trace_arm(0, tick.__code__, print, 9)\n" if sys.version_info < (3, 12) else ""
    program = PROGRAM.replace("sys.settrace(lambda *_: None)\n", OTHER).replace(
        "    in_tick = True\n", f"{arm}    in_tick = True\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "went on\n", done.stderr
