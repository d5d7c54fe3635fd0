"""Runs a program for the stack tests: saves it at its checkpoints with a small pickler, dies there, resumes it.

    python harness.py run PROGRAM STATE      python harness.py resume PROGRAM STATE

KILL_AT=n: save at the n-th checkpoint of this process and end with status 9. EVERY=seconds: checkpoints are taken by
the timer instead, at safe points; KILL_AFTER=n: save and end at the n-th one captured. It stands for the launcher
and the engine, so its functions count as forkpoint's.
"""

from __future__ import annotations

import builtins
import collections
import functools
import importlib
import io
import json
import marshal
import os
import sys
import time
import types
import weakref

import cloudpickle

from forkpoint import _native
from forkpoint.capture import stack
from forkpoint.errors import Refused
from forkpoint.restore.resume import resume
from forkpoint.snapshot import safepoint

__name__ = "forkpoint.harness"

KILLED = 9
GENERATORS = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
SKIPPED = {"__builtins__", "__loader__", "__spec__"}


# ------------------------------------------------------------------------------------------------ a small pickler


def fill_cell(cell, state):
    if state:
        cell.cell_contents = state[0]


def make_function(code, namespace, name):
    return types.FunctionType(code, namespace, name, None, tuple(types.CellType() for _ in code.co_freevars) or None)


def fill_function(function, state):
    attributes, closure, own = state
    if closure:
        _native.function_set_closure(function, closure)
    for name, value in attributes.items():
        setattr(function, name, value)
    function.__dict__.update(own)


FUNCTION_ATTRIBUTES = ("__defaults__", "__kwdefaults__", "__qualname__", "__module__", "__doc__", "__annotations__")


def fill_generator(generator, state):
    _native.generator_fill(generator, *state)


def nothing():
    yield


def fill_exception(exception, state):
    exception.__dict__.update(state[0] or {})
    exception.__context__, exception.__cause__, exception.__suppress_context__ = state[1:]


def give(value):
    return value


def main_qualified(function):
    found = sys.modules.get(function.__module__)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


class Pickler(cloudpickle.Pickler):
    def persistent_id(self, value):
        if value is _native.NULL:
            return ("null",)
        if type(value) is dict:
            name = value.get("__name__")
            module = sys.modules.get(name) if type(name) is str else None
            if module is not None and module.__dict__ is value:
                return ("namespace", name)
        if type(value) is types.ModuleType and sys.modules.get(value.__name__) is value:
            return ("module", value.__name__)
        return None

    def reducer_override(self, value):
        kind = type(value)
        if kind is types.CodeType:
            return marshal.loads, (marshal.dumps(value),)
        if kind is types.CellType:
            try:
                state = (value.cell_contents,)
            except ValueError:
                state = ()
            return types.CellType, (), state, None, None, fill_cell
        if kind is types.FunctionType and (value.__module__ == "__main__" or not main_qualified(value)):
            attributes = {name: getattr(value, name) for name in FUNCTION_ATTRIBUTES}
            state = (attributes, value.__closure__, value.__dict__)
            return make_function, (value.__code__, value.__globals__, value.__name__), state, None, None, fill_function
        if kind in GENERATORS:
            state, function, _, *rest = _native.generator_read(value)
            return _native.generator_new, (function or nothing,), tuple(rest), None, None, fill_generator
        if kind is types.TracebackType:
            return give, (None,)
        if kind in (weakref.ref, types.FrameType):
            return give, (None,)
        if isinstance(value, BaseException):
            made = value.__reduce_ex__(4)
            own = made[2] if len(made) > 2 else None
            state = (own, value.__context__, value.__cause__, value.__suppress_context__)
            return made[0], made[1], state, None, None, fill_exception
        if kind is functools._lru_cache_wrapper and value.__module__ == "__main__":
            return give, (value.__wrapped__,)
        if kind is property:
            return property, (value.fget, value.fset, value.fdel)
        return super().reducer_override(value)


class Unpickler(cloudpickle.pickle.Unpickler):
    def persistent_load(self, pid):
        if pid[0] == "null":
            return _native.NULL
        module = sys.modules.get(pid[1]) or importlib.import_module(pid[1])
        return module if pid[0] == "module" else module.__dict__


def save(captured):
    main = sys.modules["__main__"].__dict__
    buffer = io.BytesIO()
    content = [(name, value) for name, value in main.items() if name not in SKIPPED]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    Pickler(buffer, protocol=5).dump((captured, content))
    sys.setrecursionlimit(limit)
    with open(STATE, "wb") as file:
        file.write(buffer.getvalue())
    sys.stdout.flush()
    os._exit(KILLED)


# ------------------------------------------------------------------------------------------- explicit checkpoints

reached = 0


def checkpoint(label=None):
    global reached
    reached += 1
    if KILL_AT and reached != KILL_AT:
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
    global STATE, KILL_AT, KILL_AFTER
    action, program, STATE = sys.argv[1:]
    KILL_AT = int(os.environ.get("KILL_AT", 0))
    KILL_AFTER = int(os.environ.get("KILL_AFTER", 0))
    stack.set_base(base.__code__)
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
        with open(STATE, "rb") as file:
            captured, content = Unpickler(file).load()
        module.__dict__.update(content)
        resume(captured, "restored")
    else:
        with open(program) as file:
            code = compile(file.read(), program, "exec")
        base(_native.run_code, code, module.__dict__)
    report()


main()
