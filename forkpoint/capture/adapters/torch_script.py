"""TorchScript modules and functions: tombstones as a whole, not saved through `torch.jit.save`.

What they compute depends on how often they have run in this process: the first call of a loaded module is only
profiled, and the compiled ones after it round gradients another way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def reduce_script(script: Any, context: ReduceContext) -> Any:
    """A scripted or traced module or function, a method of one, or the C++ object in it."""
    return context.tombstone(script, "TorchScript: loaded again it would round as in its first calls, not as now")


class _Script(Quiet):
    name = "torch_script"
    module = "torch"

    def reducers(self) -> Mapping[type, Reducer]:
        # C++ ones have no common base. A torch without one of them has none of its kind.
        inner = ("ScriptFunction", "ScriptMethod", "ScriptModule")
        classes = [getattr(torch._C, name) for name in inner if hasattr(torch._C, name)]
        return dict.fromkeys((torch.jit.ScriptModule, *classes), reduce_script)


ADAPTER = _Script()
