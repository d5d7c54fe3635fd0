"""A training loop saved in the middle goes on to the very same numbers."""

from __future__ import annotations

import collections
import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from in_memory import again, dumps, loads, torch_state
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from forkpoint.capture import ambient

pytestmark = [
    pytest.mark.usefixtures("same_torch_settings_afterwards"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad"),  # torch's own, of what is done here
]

OPTIMIZERS = [name for name, cls in vars(torch.optim).items() if isinstance(cls, type) and name[0].isupper()]


class Closure:
    def __init__(self, net: Any, optimizer: Any, data: Any) -> None:
        self.net, self.optimizer, self.data = net, optimizer, data

    def __call__(self) -> Any:
        self.optimizer.zero_grad()
        loss = self.net(self.data).pow(2).mean()
        loss.backward()
        return loss


def loop(name: str, stop_at: int | None) -> tuple[list[float], Any]:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))
    cls = getattr(torch.optim, name)
    if name == "SparseAdam":
        pytest.skip("needs sparse gradients")
    params = [p for p in net.parameters() if p.ndim == 2] if name == "Muon" else list(net.parameters())
    optimizer = cls(params, lr=0.05)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
    data = torch.randn(16, 6)
    losses = []
    for step in range(8):
        if step == stop_at:
            saved = dumps((net, optimizer, scheduler, data, losses, torch_state()))
            torch.manual_seed(99)
            net, optimizer, scheduler, data, losses, state = loads(saved)
            ambient.restore(state)

        losses.append(float(optimizer.step(Closure(net, optimizer, data))))
        scheduler.step()
    return losses, [p.detach().clone() for p in net.parameters()]


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n != "Optimizer"])
def test_every_optimizer_goes_on_with_dropout_and_scheduler(name: str) -> None:
    whole, parameters = loop(name, None)
    losses, restored = loop(name, 4)
    assert losses == whole
    assert all(torch.equal(a, b) for a, b in zip(parameters, restored, strict=True))


def test_optimizer_attributes_hooks_and_scheduler_wrapper_survive() -> None:
    net = nn.Linear(1, 1)
    optimizer = torch.optim.LBFGS(net.parameters())
    optimizer.mine = [1]  # type: ignore[attr-defined]
    calls: list[int] = []
    optimizer.register_step_pre_hook(lambda *_: calls.append(1))
    o, n = again((optimizer, net))
    assert o.mine == [1] and o._params[0] is n.weight and o.step.__func__.hooked
    o.step(lambda: n(torch.ones(1, 1)).sum())
    assert [cell.cell_contents for hook in o._optimizer_step_pre_hooks.values() for cell in hook.__closure__] == [[1]]


class Wrapping(torch.optim.Optimizer):
    """A wrapper that never calls Optimizer.__init__, as accelerate's."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self.inner = inner

    def step(self, closure: Any = None) -> None:
        self.inner.step()


def test_a_wrapper_of_an_optimizer_is_not_made_one_that_calls_hooks() -> None:
    weight = torch.ones(1, requires_grad=True)
    weight.grad = torch.ones(1)
    wrapping, back = again((Wrapping(torch.optim.SGD([weight], lr=0.5)), weight))
    wrapping.step()
    assert back.item() == 0.5 and not hasattr(Wrapping.step, "hooked")


def test_classes_whose_step_torch_replaced_are_known_before_any_object_is_rebuilt() -> None:
    torch.optim.Rprop([torch.ones(1)])
    assert ("torch.optim.rprop", "Rprop") in ambient.facts()["torch_training"]
    replaced = torch.optim.Rprop.step
    torch.optim.Rprop.step = replaced.__wrapped__  # type: ignore[attr-defined]
    ambient.prepare({"torch_training": [("torch.optim.rprop", "Rprop")]})
    assert torch.optim.Rprop.step.hooked  # type: ignore[attr-defined]


@pytest.mark.parametrize("seeded", [True, False])
def test_the_random_order_of_the_rest_of_an_epoch_and_the_next(seeded: bool) -> None:
    torch.manual_seed(2)
    generator = torch.Generator().manual_seed(7) if seeded else None
    loader = DataLoader(TensorDataset(torch.arange(10)), batch_size=3, shuffle=True, generator=generator)
    iterator = iter(loader)
    next(iterator)
    iterator._sampler_iter = _Rest(list(iterator._sampler_iter))  # generators are the encode stage's
    saved = dumps((loader, iterator, torch_state()))
    expected = [b[0].tolist() for b in iterator] + [b[0].tolist() for b in loader]
    torch.manual_seed(3)
    back_loader, back, state = loads(saved)
    ambient.restore(state)
    assert [b[0].tolist() for b in back] + [b[0].tolist() for b in back_loader] == expected
    assert back._dataset is back_loader.dataset


class _Rest(collections.UserList):  # type: ignore[type-arg]
    def __next__(self) -> Any:
        if not self.data:
            raise StopIteration
        return self.data.pop(0)


def test_a_loss_scaler_in_the_middle_of_an_iteration_knows_its_optimizer() -> None:
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1)

    def half(parts: Any) -> None:
        net, optimizer, scaler = parts
        scaler.scale(net(torch.ones(1, 2)).sum()).backward()
        scaler.unscale_(optimizer)

    def other_half(parts: Any) -> list[float]:
        net, optimizer, scaler = parts
        with pytest.raises(RuntimeError, match="already been called"):
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        return [scaler.get_scale(), *net.weight.flatten().tolist()]

    parts = (net, optimizer, scaler)
    half(parts)
    assert other_half(again(parts)) == other_half(parts)


def test_an_entered_profiler_label_can_be_left() -> None:
    with torch.autograd.profiler.record_function("step") as label:
        back = again(label)
        fresh = again(torch.autograd.profiler.record_function("later"))
    back.__exit__(None, None, None)
    with fresh:
        pass
    assert back.name == "step"


def test_parametrized_and_recurrent_modules() -> None:
    from torch.nn.utils import parametrizations

    lstm = nn.LSTM(3, 4)
    norm = parametrizations.weight_norm(nn.Linear(3, 2))
    back, n = again((copy.deepcopy(lstm), norm))
    x = torch.ones(2, 1, 3)
    assert torch.equal(back(x)[0], lstm(x)[0]) and torch.equal(n(x), norm(x))
    assert back._flat_weights[0] is back.weight_ih_l0
