"""torch.nn.utils.parametrize.cached(): how many blocks are open, and what they have computed so far.

torch keeps that by `id(module)`; here it goes by the module.
"""

from __future__ import annotations

from typing import Any

from torch.nn import Module
from torch.nn.utils import parametrize

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet

_parametrize: Any = parametrize


class _Parametrizations(Quiet):
    name = "torch_parametrizations"
    module = "torch.nn.utils.parametrize"

    def capture(self, before: None) -> tuple[int, list[tuple[Any, str, Any]]]:
        cached = _parametrize._cache
        modules = {id(module): module for module in _native.living(Module)} if cached else {}
        entries = [(modules[key[0]], key[1], value) for key, value in cached.items() if key[0] in modules]
        return _parametrize._cache_enabled, entries

    def restore(self, state: tuple[int, list[tuple[Any, str, Any]]]) -> None:
        _parametrize._cache_enabled = state[0]
        _parametrize._cache = {(id(module), name): value for module, name, value in state[1]}


ADAPTER = _Parametrizations()
