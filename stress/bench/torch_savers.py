"""What torch brings: torch.save and torch.distributed.checkpoint, on one process."""

from __future__ import annotations

import os
from typing import Any

from method import Folder, TorchMethod
from picklers import synced


class TorchSave(TorchMethod):
    """torch.save and fsync, in the program."""

    def take(self) -> None:
        import torch

        self.written = synced(self.place(), lambda file: torch.save(self.work.state(), file))


class TorchSaveUnsynced(TorchMethod):
    """torch.save as most programs call it: the bytes are in the page cache."""

    fsynced = False

    def take(self) -> None:
        import torch

        torch.save(self.work.state(), self.place())
        self.written = os.path.getsize(self.places[-1])


class DcpSave(TorchMethod):
    """torch.distributed.checkpoint.save; its writer fsyncs each file."""

    def __init__(self, work: Any) -> None:
        super().__init__(work)
        import torch.distributed

        address = f"file://{os.path.abspath('meeting')}"
        torch.distributed.init_process_group("gloo", init_method=address, rank=0, world_size=1)

    def take(self) -> None:
        from torch.distributed import checkpoint

        checkpoint.save(self.work.state(), checkpoint_id=self.place())

    def wait(self) -> None:
        self.written = Folder(self.places[-1]).new_bytes()


class DcpThread(DcpSave):
    """torch.distributed.checkpoint.async_save by thread."""

    kind = "THREAD"

    def take(self) -> None:
        from torch.distributed import checkpoint
        from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType

        kind = AsyncCheckpointerType[self.kind]
        self.answer = checkpoint.async_save(self.work.state(), checkpoint_id=self.place(), async_checkpointer_type=kind)

    def wait(self) -> None:
        self.answer.result()
        super().wait()


class DcpProcess(DcpThread):
    """The same by a process of its own."""

    kind = "PROCESS"

    def __init__(self, work: Any) -> None:
        import socket

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free.getsockname()[1]))
        super().__init__(work)
