"""The ways to checkpoint that are measured side by side."""

from __future__ import annotations

from method import Method
from ours import ForkOnly, Forkpoint, LittleStaging
from picklers import Dill, Fork, Joblib, Memcpy, Nothing, Pickle
from rivals import Moonclip, Ravex, Talo
from torch_savers import DcpProcess, DcpSave, DcpThread, TorchSave, TorchSaveUnsynced

METHODS: dict[str, type[Method]] = {
    "none": Nothing,
    "memcpy": Memcpy,
    "forkpoint": Forkpoint,
    "forkpoint-unstaged": ForkOnly,
    "forkpoint-256M": LittleStaging,
    "fork": Fork,
    "dcp-thread": DcpThread,
    "dcp-process": DcpProcess,
    "dcp.save": DcpSave,
    "torch.save": TorchSave,
    "torch.save-unsynced": TorchSaveUnsynced,
    "pickle": Pickle,
    "joblib": Joblib,
    "dill": Dill,
    "moonclip": Moonclip,
    "ravex": Ravex,
    "talo": Talo,
}
