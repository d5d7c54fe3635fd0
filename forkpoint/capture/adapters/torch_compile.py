"""torch.compile: what it has compiled is no state; no commit comes inside a call that it is at work on.

Compiled code hangs at code objects and is made again in a restored process when it is called.
"""

from __future__ import annotations

import itertools
import sys
from types import CodeType, FrameType
from typing import Any, Final

import torch._dynamo.bytecode_transformation
from torch._dynamo.eval_frame import _TorchDynamoContext
from torch._dynamo.utils import CleanupManager

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused

_names: Any = torch._dynamo.bytecode_transformation

_CODES: Final = _TorchDynamoContext.__call__.__code__.co_consts
_INSIDE: Final = tuple(code for code in _CODES if getattr(code, "co_name", "") == "compile_wrapper")

_kept: list[Any] = []
"""What the child has taken out of namespaces: destructors of compiled graphs do not run there."""


class _Compile(Quiet):
    name = "torch_compile"
    module = "torch._dynamo.eval_frame"
    inside: tuple[CodeType, ...] = _INSIDE

    def before_fork(self) -> Any:
        """Raises Refused inside such a call: which frames run compiled is known to torch's own C code only."""
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if frame.f_code in _INSIDE:
                raise Refused("inside a function that torch.compile has compiled")
            frame = frame.f_back

    def capture(self, before: None) -> int:
        """In the child: take out what compiled code has put into the program's and libraries' namespaces. How far the
        numbers in its names have come is kept: torch forgets some of them there, and fails to make one again.
        """
        for hooks in CleanupManager.instance.values.values():
            _kept.extend(hook.scope.pop(hook.name, None) for hook in hooks)
        CleanupManager.instance.clear()  # or it would take them out once more
        return int(_names._unique_id_counter.__reduce__()[1][0])

    def restore(self, state: int) -> None:
        _names._unique_id_counter = itertools.count(state)


ADAPTER = _Compile()
