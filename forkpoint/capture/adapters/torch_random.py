"""torch's default CPU generator, put back in place: dropout, randperm and randn go on with it."""

from __future__ import annotations

from typing import Any

import torch

from forkpoint.capture.adapters import _memory
from forkpoint.capture.adapters._quiet import Quiet


class _Random(Quiet):
    name = "torch_random"
    module = "torch"

    def before_fork(self) -> bytes:
        state = torch.default_generator.get_state()
        return bytes(_memory.view(state.data_ptr(), state.untyped_storage().nbytes()))

    def restore(self, state: bytes) -> None:
        saved: Any = torch.empty(len(state), dtype=torch.uint8, device="cpu")
        _memory.view(saved.data_ptr(), len(state))[:] = state
        torch.default_generator.set_state(saved)


ADAPTER = _Random()
