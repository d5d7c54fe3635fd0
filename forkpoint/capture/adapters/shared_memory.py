"""Memory that processes share: it belongs to no one process, and may be gone when one comes back."""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing import shared_memory  # noqa: TID251 - the class alone
from typing import Any

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def reduce_block(block: Any, context: ReduceContext) -> Any:
    """A tombstone: attaching to the name again would fail, or find what somebody else put there."""
    return context.tombstone(block, "memory shared with other processes belongs to no one process")


class _SharedMemory(Quiet):
    name = "shared_memory"
    module = "multiprocessing.shared_memory"

    def reducers(self) -> Mapping[type, Reducer]:
        return {shared_memory.SharedMemory: reduce_block}


ADAPTER = _SharedMemory()
