"""What evaluates the program's frames (PEP 523; torch.compile has such a thing) never sees ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COUNTER = """
extern void *_PyEval_EvalFrameDefault(void *tstate, void *frame, int throwflag);
long seen;
void *evaluate(void *tstate, void *frame, int throwflag)
{
    seen++;
    return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
}
"""

PROGRAM = """
import ctypes, sys, threading, time
from forkpoint import _native

counter = ctypes.CDLL(sys.argv[1])
seen = ctypes.c_long.in_dll(counter, "seen")
python = ctypes.pythonapi
python.PyInterpreterState_Get.restype = ctypes.c_void_p
interp = ctypes.c_void_p(python.PyInterpreterState_Get())

def leaf():
    pass

def ours(*event):
    before = seen.value
    for _ in range(100):
        leaf()
    ours.seen = seen.value - before

def elsewhere():
    before = seen.value
    thread = threading.Thread(target=lambda: [leaf() for _ in range(100)])
    thread.start()
    thread.join()
    elsewhere.seen = seen.value - before

python._PyInterpreterState_SetEvalFrameFunc(interp, counter.evaluate)
ours()
print("the program's", ours.seen >= 100)
_native.plainly(ours)()
print("a callback", ours.seen)
del ours.seen
_native.ticks_start(ours, 0.001)
while not hasattr(ours, "seen"):
    time.sleep(0.001)
_native.ticks_stop()
print("a tick", ours.seen)
_native.audit_start(ours)
open("/dev/null", "w").close()
_native.audit_stop()
print("an audit event", ours.seen)
_native.plainly(elsewhere)()
print("another thread's meanwhile", elsewhere.seen >= 100)
ours()
print("the program's again", ours.seen >= 100)
"""


def test_only_the_programs_own_frames_are_given_to_its_evaluation_function(tmp_path: Path) -> None:
    source, library = tmp_path / "counter.c", tmp_path / "counter.so"
    source.write_text(COUNTER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, library], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.splitlines() == [
        "the program's True",
        "a callback 0",
        "a tick 0",
        "an audit event 0",
        "another thread's meanwhile True",
        "the program's again True",
    ], done.stderr
