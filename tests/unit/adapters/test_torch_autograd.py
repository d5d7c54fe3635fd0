"""Gradients, parameters, hooks and graphs: what is spent comes back as spent, what is open makes the commit wait."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from in_memory import again, dumps
from torch import nn

from forkpoint.capture.adapters.torch_tensors import ADAPTER
from forkpoint.errors import Refused

AGAIN = "backward through the graph a second time"


def test_gradients_are_carried_and_the_next_step_needs_them() -> None:
    def two_half_steps(save: bool) -> Any:
        torch.manual_seed(0)
        net = nn.Linear(4, 1)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
        data = torch.randn(8, 4)
        for _ in range(3):
            optimizer.zero_grad()
            net(data[:4]).pow(2).mean().backward()
            if save:
                net, optimizer, data = again((net, optimizer, data))
            net(data[4:]).pow(2).mean().backward()  # accumulates into .grad
            optimizer.step()
        return net.weight

    assert torch.equal(two_half_steps(save=True), two_half_steps(save=False))


def test_parameters_buffers_and_attributes_keep_their_kind() -> None:
    weight = nn.Parameter(torch.ones(2), requires_grad=False)
    weight.note = "mine"  # type: ignore[attr-defined]
    buffer = nn.Buffer(torch.ones(2))
    w, b = again((weight, buffer))
    assert type(w) is nn.Parameter and not w.requires_grad and w.note == "mine"
    assert b._is_buffer and b.persistent


def test_tied_and_optimized_parameters_stay_one() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0, momentum=0.5)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    n, o = again((net, optimizer))
    assert n[1].weight is n[0].weight and o.param_groups[0]["params"][0] is n[0].weight
    assert set(map(id, o.state)) == set(map(id, n.parameters()))


def spent_loss() -> tuple[Any, Any, Any]:
    w = torch.ones(3, requires_grad=True)
    out = w * w
    loss = torch.nn.functional.mse_loss(out, torch.zeros(3))
    loss.backward()
    return w, out, loss


def test_a_spent_graph_becomes_a_stand_in_that_raises_torchs_own_error() -> None:
    w, out, loss = spent_loss()
    w_back, o, back = again((w, out, loss))
    assert torch.equal(o, out) and back.item() == loss.item()
    assert back.requires_grad and not back.is_leaf and o.requires_grad
    assert repr(back) == repr(loss) and repr(o) == repr(out)
    assert torch.equal(w_back.grad, w.grad)
    messages = []
    for tensor in (back, loss):
        with pytest.raises(RuntimeError, match=AGAIN) as caught:
            tensor.backward()
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    with pytest.raises(RuntimeError, match=AGAIN):
        (back + o.sum()).backward()


def test_a_stand_in_is_spent_in_the_next_generation_too() -> None:
    generation = spent_loss()
    for _ in range(4):
        generation = again(generation)
    assert repr(generation[2]) == repr(spent_loss()[2])
    with pytest.raises(RuntimeError, match=AGAIN):
        generation[2].backward()


def test_a_running_total_over_spent_losses_is_spent() -> None:
    total: Any = 0
    for _ in range(3):
        total = total + spent_loss()[2]
    assert again(total).item() == total.item()


def test_a_spent_view_shares_memory_with_its_base() -> None:
    w = torch.ones(4, requires_grad=True)
    out = (w * w).view(2, 2)
    out.sum().backward()
    base, view = again((out._base, out))
    assert view.untyped_storage().data_ptr() == base.untyped_storage().data_ptr()


HALVES = pytest.mark.parametrize("half", ["forward", "retained", "no saved tensors", "one path of two"])


def open_half(half: str) -> Any:
    w = torch.ones(3, requires_grad=True)
    logits = w * w
    if half == "retained":
        logits.sum().backward(retain_graph=True)
    elif half == "no saved tensors":
        logits = w + 1
    elif half == "one path of two":
        logits.sum().backward()
        logits = logits + w.exp()
    return logits


@HALVES
def test_an_open_graph_makes_the_commit_wait_naming_the_tensor(half: str) -> None:
    logits = open_half(half)
    held = {"logits": logits}
    with pytest.raises(Refused, match=r"open autograd graph: logits \(3, grad_fn="):
        dumps(held)


@HALVES
def test_the_program_sees_an_open_graph_as_the_child_does(half: str) -> None:
    logits = open_half(half)
    held = {"logits": logits}
    with pytest.raises(Refused) as child:
        dumps(held)
    seen = ADAPTER.unfinished(logits, "logits")
    assert seen is not None and seen.reason == child.value.reason


def test_the_program_lets_pass_what_is_spent_or_has_no_graph() -> None:
    w, out, loss = spent_loss()
    for value in (w, w.detach(), out, loss, loss + w.grad.sum(), 1.0, nn.Linear(2, 2)):
        assert ADAPTER.unfinished(value, "value") is None
    deep = w
    for _ in range(2000):
        deep = deep * 1.0
    assert ADAPTER.unfinished(deep, "deep") is None, "that is the child's to find out"


def test_the_program_never_runs_code_that_unpacks_a_graph() -> None:
    def fail(_: Any) -> Any:
        raise AssertionError("recomputed")

    w = torch.ones(3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, fail):
        out = w * w
    assert ADAPTER.unfinished(out, "out") is not None


def test_looking_at_a_graph_never_runs_code_that_unpacks_it() -> None:
    def fail(_: Any) -> Any:
        raise AssertionError("recomputed")

    w = torch.ones(3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, fail):
        out = w * w
    with pytest.raises(Refused):
        dumps(out)


def test_custom_functions_are_told_open_from_spent() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * g

    out = Square.apply(torch.ones(2, requires_grad=True))
    with pytest.raises(Refused):
        dumps(out)
    out.sum().backward()
    assert repr(again(out)) == repr(out)


def test_hooks_of_tensors_and_modules_are_carried_and_can_be_removed() -> None:
    calls: list[str] = []
    w = torch.ones(2, requires_grad=True)
    handle = w.register_hook(lambda g: calls.append("grad"))
    w.register_post_accumulate_grad_hook(lambda p: calls.append("accumulated"))
    net = nn.Linear(2, 1)
    net.register_forward_hook(lambda *_: calls.append("forward"))
    w, net, handle, calls = again((w, net, handle, calls))
    net(w).sum().backward()
    assert sorted(_calls(w, net)) == ["accumulated", "forward", "grad"]
    handle.remove()
    assert not w._backward_hooks


def _calls(w: Any, net: Any) -> list[str]:
    hook = next(iter(w._post_accumulate_grad_hooks.values()))
    (cell,) = hook.__closure__
    other = next(iter(net._forward_hooks.values()))
    assert other.__closure__[0].cell_contents is not None
    return list(cell.cell_contents) + [c for c in other.__closure__[0].cell_contents if c not in cell.cell_contents]


def test_a_view_autograd_knows_still_gives_its_base_a_history() -> None:
    base = torch.zeros(3)
    view = base[1:]
    b, v, w = again((base, view, torch.ones(2, requires_grad=True)))
    v.mul_(w).add_(w)
    assert b.requires_grad
    b.sum().backward()
    assert w.grad is not None


def test_saving_runs_no_operator() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    seen: list[str] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout())
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    loss = spent_loss()[2]
    array = np.ones(4)
    with Watch():
        dumps((net, optimizer, loss, torch.from_numpy(array), array))
    assert [name for name in seen if "from_numpy" not in name and "lift_fresh" not in name] == []
