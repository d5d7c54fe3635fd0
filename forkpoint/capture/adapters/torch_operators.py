"""torch's operators, by name: a copy is another key, so tables of operators and graphs of them would miss theirs.

An operator that the program defines itself is not there when its name is looked up; it goes as any object does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch._ops import OpOverload, OpOverloadPacket

from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_torch: Any = torch


def reduce_packet(packet: Any, context: ReduceContext) -> Any:
    """All overloads of an operator."""
    name = packet._qualified_op_name
    return NotImplemented if _own(name) else (find_operator, tuple(name.split("::")))


def reduce_overload(overload: Any, context: ReduceContext) -> Any:
    """One overload of an operator."""
    name = overload._overloadpacket._qualified_op_name
    if _own(name):
        return NotImplemented
    return find_operator, (*name.split("::"), overload._overloadname)


def find_operator(namespace: str, name: str, overload: str | None = None) -> Any:
    """The operator of that name here."""
    packet = getattr(getattr(torch.ops, namespace), name)
    return packet if overload is None else getattr(packet, overload)


def _own(name: str) -> bool:
    """Whether the program has defined it: in Python, and not in a library that does it again when imported.

    `custom_op` defines all through one line of torch's, but keeps the function.
    """
    if name not in _torch.library._defs:
        return False
    program = roots.find().by_value
    custom = _torch._library.custom_ops.OPDEFS.get(name)
    if custom is not None:
        return custom._init_fn.__module__ in {"__main__", *(module.__name__ for module in program)}
    text = torch._C._dispatch_dump(name)
    return any(f"registered at {file}:" in text for module in program if (file := getattr(module, "__file__", None)))


class _Operators(Quiet):
    name = "torch_operators"
    module = "torch"

    def reducers(self) -> Mapping[type, Reducer]:
        return {OpOverload: reduce_overload, OpOverloadPacket: reduce_packet}


ADAPTER = _Operators()
