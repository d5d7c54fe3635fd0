"""constructs.py with every refusal of the call stack overruled: whatever C code was at, the callee's value is taken for
what the instruction gives. What comes of that shows which refusals are needed."""

from forkpoint.capture import stack, transitions
from forkpoint.capture.adapters import asyncio_loops
from forkpoint.errors import Refused

_plan = transitions.plan


def plan(frame, callee, constructed=transitions.UNKNOWN):
    try:
        return _plan(frame, callee, constructed)
    except Refused:
        if frame.plan is not None:
            return dict(frame.plan)
        made = transitions.result(frame.instruction, "push")
        if made["keep"] < 0 or frame.instruction.name.startswith("POP_JUMP"):
            made = transitions.no_result(frame.instruction)
        return {**made, "keep": made["keep"] + frame.map.locals_count}


transitions.plan = plan
stack._require_enterable = lambda frame: None
type(asyncio_loops.ADAPTER).before_fork = lambda self: None
exec(compile(open("constructs.py").read(), "constructs.py", "exec"))
