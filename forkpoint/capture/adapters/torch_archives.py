"""Files that torch.save(object, path) writes in C++, without an audit event: noted before they are opened."""

from __future__ import annotations

from typing import Any

import torch

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet

_C: Any = torch._C


class _Archives(Quiet):
    name = "torch_archives"
    module = "torch"

    def before_fork(self) -> None:
        """What was written before the first commit point belongs to no restore point."""
        _native.announce(_C.PyTorchFileWriter)

    def restore(self, state: None) -> None:
        _native.announce(_C.PyTorchFileWriter)


ADAPTER = _Archives()
