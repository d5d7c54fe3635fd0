"""torch.distributed: connections, their threads, and the reducers of wrapped models are in C++, so commits wait.

A process group of one rank is no other: its table is a library's, which would come back named and empty.
"""

from __future__ import annotations

from typing import Any

import torch.distributed
import torch.distributed.distributed_c10d as c10d

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused

_distributed: Any = torch.distributed


class _Distributed(Quiet):
    name = "torch_distributed"
    module = "torch.distributed.distributed_c10d"

    def before_fork(self) -> None:
        if c10d._world.pg_map:
            raise Refused("a torch.distributed process group is open, whose connections are in C++")
        if _distributed.rpc.is_available() and _distributed.rpc.api._is_current_rpc_agent_set():
            raise Refused("torch.distributed.rpc is at work, whose connections are in C++")


ADAPTER = _Distributed()
