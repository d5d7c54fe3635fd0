"""Runs a program for the stack tests: saves it at its checkpoints, dies there, resumes it.

    python harness.py run PROGRAM STATE      python harness.py resume PROGRAM STATE

KILL_AT=n: save at the n-th checkpoint of this process and end with status 9. BRANCH=directory: at each checkpoint a
fork saves and ends, leaving `<n>.state` and what was printed so far as `<n>.out`, and the program goes on.
EVERY=seconds: checkpoints are taken by
the timer instead, at safe points; KILL_AFTER=n: save and end at the n-th one captured. It stands for the launcher
and the engine, so its functions count as forkpoint's.
"""

from __future__ import annotations

import builtins
import collections
import importlib
import json
import os
import sys
import time
import types
from pathlib import Path

from forkpoint import _native
from forkpoint.capture import libraries, roots, stack
from forkpoint.encode.pickler import encode
from forkpoint.encode.unpickler import decode, decode_preamble
from forkpoint.errors import Refused
from forkpoint.model import ProgramImage
from forkpoint.restore.resume import resume
from forkpoint.snapshot import safepoint

sys.path.insert(0, str(Path(__file__).parent.parent / "encode"))
from memory_store import MemoryStore

__name__ = "forkpoint.harness"

KILLED = 9


def save(captured):
    main = sys.modules["__main__"]
    found = roots.find()
    store = MemoryStore()
    image = ProgramImage((main,), found.imports, captured, {})
    only = roots.Roots((main,), found.imports)
    store.save(STATE, encode(image, named=libraries.named(only), reducers={}, sink=store))
    sys.stdout.flush()
    os._exit(KILLED)


def load(module):
    encoded, store = MemoryStore.load(STATE)
    for name in decode_preamble(encoded.pods, store).imports:
        importlib.import_module(name)
    return decode(encoded.pods, store).stack


# ------------------------------------------------------------------------------------------- explicit checkpoints

reached = 0


def checkpoint(label=None):
    global reached
    reached += 1
    if KILL_AT and reached != KILL_AT:
        return "saved"
    if BRANCH:
        branch()
        return "saved"
    try:
        captured = stack.capture("call")
    except Refused as refusal:
        if KILL_AT:
            print(json.dumps({"refused": str(refusal)}), file=sys.stderr)
            sys.stdout.flush()
            os._exit(8)
        refusals[refusal.reason] += 1
        return "saved"
    if KILL_AT:
        save(captured)
    return "saved"


def branch():
    global STATE
    sys.stdout.flush()
    STATE = BRANCH / f"{reached}.state"
    try:
        captured = stack.capture("call")
    except Refused as refusal:
        (BRANCH / f"{reached}.refused").write_text(str(refusal))
        return
    child = os.fork()
    if child == 0:
        save(captured)
    os.waitpid(child, 0)
    (BRANCH / f"{reached}.out").write_text(OUTPUT.read_text())


def try_checkpoint():
    """The reason why no checkpoint can be taken where it is called, or "taken"."""
    try:
        stack.capture("call")
    except Refused as refusal:
        return refusal.reason
    return "taken"


# ------------------------------------------------------------------------------------------------ timer-driven

captures = 0
frames = 0
seconds = 0.0
refusals = collections.Counter()


def on_tick():
    try:
        deepest = stack.deepest_resumable()
    except Refused as refusal:
        refusals["walk: " + refusal.reason] += 1
        return
    safepoint.arm(deepest.address, deepest.code, on_reached)


def on_reached(mode, destination):
    global captures, frames, seconds
    started = time.perf_counter()
    try:
        captured = stack.capture(mode, destination=destination)
    except Refused as refusal:
        refusals[str(refusal)] += 1
        return
    seconds += time.perf_counter() - started
    captures += 1
    frames += len(captured.frames)
    if captures == KILL_AFTER:
        print(json.dumps({"at": str(captured.location), "mode": mode}), file=sys.stderr)
        save(captured)


def report():
    _native.ticks_stop()
    cost = 1e6 * seconds / frames if frames else 0
    out = {"captures": captures, "us_per_frame": round(cost, 1), "refusals": refusals.most_common(15)}
    print(json.dumps(out), file=sys.stderr)


def base(what, *arguments):
    what(*arguments)


def main():
    global STATE, KILL_AT, KILL_AFTER, BRANCH, OUTPUT
    action, program, state = sys.argv[1:]
    STATE = Path(state)
    KILL_AT = int(os.environ.get("KILL_AT", 0))
    KILL_AFTER = int(os.environ.get("KILL_AFTER", 0))
    BRANCH = Path(os.environ["BRANCH"]) if "BRANCH" in os.environ else None
    OUTPUT = Path(os.readlink("/proc/self/fd/1"))
    stack.set_base(base.__code__)
    _native.drive_start()
    api = types.ModuleType("ckapi")
    api.checkpoint, api.try_checkpoint = checkpoint, try_checkpoint
    sys.modules["ckapi"] = api
    sys.modules["forkpoint.harness"] = sys.modules["__main__"]
    module = types.ModuleType("__main__")
    module.__file__, module.__builtins__ = program, builtins
    sys.modules["__main__"] = module
    if os.environ.get("EVERY"):
        _native.ticks_start(on_tick, float(os.environ["EVERY"]))
    if action == "resume":
        resume(load(module), "restored")
    else:
        with open(program) as file:
            code = compile(file.read(), program, "exec")
        base(_native.run_code, code, module.__dict__)
    report()


main()
