"""torch's operators, by name: a copy is another key, so tables of operators and graphs of them would miss theirs.

One that the program defines itself is not there when its name is looked up: it goes with its definition
(`torch_custom_operators`), or as any object does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch._library.custom_ops import OPDEFS
from torch._ops import OpOverload, OpOverloadPacket

from forkpoint.capture import roots
from forkpoint.capture.adapters import torch_custom_operators
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_torch: Any = torch


def reduce_packet(packet: Any, context: ReduceContext) -> Any:
    """All overloads of an operator."""
    return _by_name(packet._qualified_op_name, None)


def reduce_overload(overload: Any, context: ReduceContext) -> Any:
    """One overload of an operator."""
    return _by_name(overload._overloadpacket._qualified_op_name, overload._overloadname)


def _by_name(name: str, overload: str | None) -> Any:
    custom = OPDEFS.get(name)
    if custom is not None and torch_custom_operators.own([custom]):
        return find_custom_operator, (custom, overload)
    return NotImplemented if _own(name) else (find_operator, (*name.split("::"), overload))


def find_operator(namespace: str, name: str, overload: str | None = None) -> Any:
    """The operator of that name here."""
    packet = getattr(getattr(torch.ops, namespace), name)
    return packet if overload is None else getattr(packet, overload)


def find_custom_operator(definition: Any, overload: str | None) -> Any:
    """The operator that this definition of the program's has registered."""
    return find_operator(definition._namespace, definition._name, overload)


def _own(name: str) -> bool:
    """Whether the program has defined it: in Python, and not in a library that does it again when imported."""
    if name not in _torch.library._defs:
        return False
    text = torch._C._dispatch_dump(name)
    files = (getattr(module, "__file__", None) for module in roots.find().by_value)
    return any(f"registered at {file}:" in text for file in files if file)


class _Operators(Quiet):
    name = "torch_operators"
    module = "torch._library.custom_ops"

    def reducers(self) -> Mapping[type, Reducer]:
        return {OpOverload: reduce_overload, OpOverloadPacket: reduce_packet}


ADAPTER = _Operators()
