"""parametrize.cached(): a block that is open ends as it would have, and what it has computed stays computed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from in_memory import again
from torch import nn
from torch.nn.utils import parametrize

from forkpoint.capture.adapters.torch_parametrizations import ADAPTER


class Symmetric(nn.Module):
    def forward(self, weight):
        return weight.triu() + weight.triu(1).transpose(-1, -2)


def test_a_block_that_is_open_goes_on() -> None:
    layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    with parametrize.cached(), torch.no_grad():
        computed = layer.weight
        state, restored = again((ADAPTER.capture(ADAPTER.before_fork()), layer))
        parametrize._cache_enabled, parametrize._cache = 0, {}
        ADAPTER.restore(state)
        assert parametrize._cache_enabled == 1
        assert list(parametrize._cache) == [(id(restored), "weight")]
        assert torch.equal(parametrize._cache[id(restored), "weight"], computed)
    assert parametrize._cache_enabled == 0 and parametrize._cache == {}


def test_outside_nothing_is_kept() -> None:
    assert ADAPTER.capture(ADAPTER.before_fork()) == (0, [])
