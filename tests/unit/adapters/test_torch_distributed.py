"""torch.distributed: commits wait while a process group is open, also one of a single rank."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
distributed = pytest.importorskip("torch.distributed")

from forkpoint.capture.adapters import torch_distributed
from forkpoint.errors import Refused


def test_an_open_process_group_makes_the_commit_wait(tmp_path) -> None:
    torch_distributed.ADAPTER.before_fork()
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        with pytest.raises(Refused, match="process group is open"):
            torch_distributed.ADAPTER.before_fork()
    finally:
        distributed.destroy_process_group()
    torch_distributed.ADAPTER.before_fork()
