"""TorchScript: one tombstone for a whole module, and the difference that saving it would make."""

from __future__ import annotations

from typing import Any

import pytest
from in_memory import Lost, again

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


def _network() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Softplus())


def test_scripted_and_traced_modules_and_functions_are_one_tombstone_each() -> None:
    scripted = torch.jit.script(_network())
    traced = torch.jit.trace(_network(), torch.ones(1, 20))
    function = torch.jit.trace(lambda x: x + 1, torch.ones(1))
    for script in (scripted, traced, *scripted.children(), scripted.forward, scripted._c, function):
        lost = again(script)
        assert type(lost) is Lost and "TorchScript" in lost.reason


def test_a_loaded_module_would_round_gradients_as_in_its_first_call(tmp_path: Any) -> None:
    script, batch = torch.jit.script(_network()), torch.linspace(-2, 2, 660).reshape(33, 20)

    def gradient(module: Any) -> Any:
        module.zero_grad()
        module(batch).square().sum().backward()
        return [parameter.grad.clone() for parameter in module.parameters()]

    for _ in range(4):
        later = gradient(script)
    torch.jit.save(script, tmp_path / "saved.pt")
    loaded = gradient(torch.jit.load(tmp_path / "saved.pt"))
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(later, loaded, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(later, loaded, strict=True))
