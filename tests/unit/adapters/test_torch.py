"""torch: a training loop saved in the middle goes on to the very same numbers."""

from __future__ import annotations

import collections
import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from in_memory import again, buffers_of, dumps, loads
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from forkpoint import _native
from forkpoint.capture import ambient
from forkpoint.capture.adapters import torch_settings
from forkpoint.errors import Refused

AGAIN = "backward through the graph a second time"
# torch's own, about what these tests do on purpose
pytestmark = [
    pytest.mark.filterwarnings("ignore:Sparse CS"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad"),
]
KINDS = ("torch_settings", "torch_random")


def settings() -> dict[str, Any]:
    """torch's own ambient state."""
    state = ambient.capture(ambient.before_fork())
    return {name: state[name] for name in KINDS}


@pytest.fixture(autouse=True)
def _same_settings_afterwards() -> Any:
    state = settings()
    yield
    torch.set_default_device(None)
    ambient.restore(state)


# --- memory ---------------------------------------------------------------------------------------------------


def test_views_share_one_storage_that_is_stored_once() -> None:
    base = torch.arange(100_000.0)
    parts = {
        "base": base,
        "row": base.view(100, 1000)[3],
        "flipped": base.view(100, 1000).t()[5:, 2],
        "data": base.data,
    }
    assert buffers_of(parts) == [400_000]
    back = again(parts)
    for name, part in parts.items():
        assert back[name].stride() == part.stride() and back[name].storage_offset() == part.storage_offset()
        assert torch.equal(back[name], part)
        assert back[name].untyped_storage().data_ptr() == back["base"].data_ptr()
    back["base"].zero_()
    assert not back["row"].any() and not back["flipped"].any()
    assert back["row"]._base is back["base"]


@pytest.mark.parametrize("first", ["array", "tensor"])
def test_a_tensor_on_an_array_shares_its_memory_whoever_is_saved_first(first: str) -> None:
    array = np.arange(1000.0)
    tensor = torch.from_numpy(array[2:])
    twin = torch.from_numpy(array)
    pair = (array, tensor, twin) if first == "array" else (tensor, twin, array)
    back = again(pair)
    a, t, w = (back[0], back[1], back[2]) if first == "array" else (back[2], back[0], back[1])
    a[2] = -5
    assert t[0] == -5 and w[2] == -5
    assert a.flags.owndata and t.data_ptr() % 64 == tensor.data_ptr() % 64


def test_an_array_on_a_tensor_shares_its_memory() -> None:
    tensor = torch.zeros(4, 5)
    array = tensor.numpy()
    part = array[1:, ::2]
    p, t = again((part, tensor))
    t[3, 4] = 8
    assert p[2, 2] == 8 and p.strides == part.strides


def test_an_array_only_torch_holds_keeps_its_alignment() -> None:
    for _ in range(8):
        tensor = torch.from_numpy(np.random.rand(513))
        back = again(tensor)
        assert torch.equal(back, tensor) and back.data_ptr() % 64 == tensor.data_ptr() % 64


def test_a_tensor_on_a_bytearray_shares_it() -> None:
    data = bytearray(16)
    tensor = torch.frombuffer(data, dtype=torch.uint8)
    back, b = again((tensor, data))
    b[3] = 7
    assert back[3] == 7


TENSORS = {
    "bfloat16": torch.randn(5).bfloat16(),
    "float8": torch.randn(5).to(torch.float8_e4m3fn),
    "uint16": torch.tensor([1, 2, 60000], dtype=torch.uint16),
    "complex": torch.randn(5, dtype=torch.complex64),
    "conjugate": torch.randn(5, dtype=torch.complex64).conj(),
    "negative": torch.randn(5, dtype=torch.complex64).conj().imag,
    "boolean": torch.tensor([True, False]),
    "scalar": torch.tensor(3.5),
    "empty": torch.empty(0, 3),
    "expanded": torch.ones(3, 1).expand(3, 4),
    "channels last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS.keys())
def test_every_kind_of_dense_tensor(tensor: Any) -> None:
    back = again(tensor)
    assert (back.dtype, back.shape, back.stride()) == (tensor.dtype, tensor.shape, tensor.stride())
    assert back.is_conj() == tensor.is_conj() and back.is_neg() == tensor.is_neg()
    as_bytes = [t.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8) for t in (back, tensor)]
    assert torch.equal(*as_bytes)


@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
def test_sparse_tensors(layout: str) -> None:
    dense = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    sparse = {"coo": dense.to_sparse, "csr": dense.to_sparse_csr, "csc": dense.to_sparse_csc}[layout]()
    back = again(sparse)
    assert back.layout == sparse.layout and torch.equal(back.to_dense(), dense)


def test_meta_tensors_quantized_tensors_and_lazy_parameters() -> None:
    assert again(torch.empty(3, 4, device="meta")).device.type == "meta"
    assert isinstance(again(nn.LazyLinear(3)).weight, nn.parameter.UninitializedParameter)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_a_nested_tensor_whose_buffer_says_it_is_a_view_of_it() -> None:
    nested = torch.nested.nested_tensor([torch.ones(2), torch.arange(3.0)])
    assert [part.tolist() for part in again(nested)] == [[1, 1], [0, 1, 2]]


def test_precisions_set_under_torchs_old_name_and_its_new_one() -> None:
    before = settings()
    torch.set_float32_matmul_precision("medium")
    torch.backends.cuda.matmul.allow_tf32 = False  # from here on torch will not say what the first one is
    state = settings()
    torch_settings.ADAPTER.restore(before["torch_settings"])
    torch_settings.ADAPTER.restore(state["torch_settings"])
    assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    torch_settings.ADAPTER.restore(before["torch_settings"])


def test_putting_settings_back_that_are_as_they_were_does_not_import_torchs_compiler() -> None:
    """Which takes seconds, and crashes with triton where TensorFlow was imported before it."""
    source = (
        "import sys, torch\n"
        "from forkpoint.capture.adapters.torch_settings import ADAPTER\n"
        "ADAPTER.restore(ADAPTER.capture(ADAPTER.before_fork()))\n"
        "print('torch._inductor' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


def test_a_running_profiler_makes_the_commit_wait() -> None:
    with torch.profiler.profile(), pytest.raises(Refused, match="profiler"):
        torch_settings.ADAPTER.before_fork()


# --- autograd -------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("half", ["forward", "retained", "no saved tensors", "one path of two"])
def test_an_open_graph_makes_the_commit_wait_naming_the_tensor(half: str) -> None:
    w = torch.ones(3, requires_grad=True)
    logits = w * w
    if half == "retained":
        logits.sum().backward(retain_graph=True)
    elif half == "no saved tensors":
        logits = w + 1
    elif half == "one path of two":
        logits.sum().backward()
        logits = logits + w.exp()
    held = {"logits": logits}
    with pytest.raises(Refused, match=r"open autograd graph: logits \(3, grad_fn="):
        dumps(held)


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


# --- training -------------------------------------------------------------------------------------------------


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
            saved = dumps((net, optimizer, scheduler, data, losses, settings()))
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
    saved = dumps((loader, iterator, settings()))
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


# --- ambient --------------------------------------------------------------------------------------------------


def test_settings_come_back() -> None:
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("medium")
    torch.set_printoptions(precision=2)
    torch.autograd.set_detect_anomaly(True, check_nan=False)
    torch.set_default_device("cpu")
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        saved = dumps(settings())
    torch.set_default_dtype(torch.float32)
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("highest")
    torch.set_printoptions(precision=6)
    torch.autograd.set_detect_anomaly(False)
    torch.set_default_device(None)
    ambient.restore(loads(saved))
    assert torch.get_default_dtype() == torch.float64 and torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.get_float32_matmul_precision() == "medium" and not torch.is_grad_enabled()
    assert torch.is_anomaly_enabled() and not torch.is_anomaly_check_nan_enabled()
    assert torch.is_autocast_enabled("cpu") and torch.autocast_decrement_nesting() == 0
    assert torch._tensor_str.PRINT_OPTS.precision == 2  # type: ignore[attr-defined]
    assert torch.utils._device.CURRENT_DEVICE == torch.device("cpu")
    torch.set_autocast_enabled("cpu", False)


def test_the_default_generator_goes_on() -> None:
    torch.manual_seed(4)
    torch.randn(3)
    saved = dumps(settings())
    expected = torch.randn(20).tolist()
    torch.manual_seed(5)
    ambient.restore(loads(saved))
    assert torch.randn(20).tolist() == expected


def test_modes_that_cannot_be_entered_again_make_the_commit_wait() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    with TorchDispatchMode(), pytest.raises(Refused, match="TorchDispatchMode"):
        ambient.before_fork()
    with torch.inference_mode(), pytest.raises(Refused, match="inference_mode"):
        ambient.before_fork()
    with torch.autograd.graph.save_on_cpu(), pytest.raises(Refused, match="saved_tensors_hooks"):
        ambient.before_fork()


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


def test_a_file_that_torch_writes_in_c_is_told_of_before_it_is_opened(tmp_path: Path) -> None:
    ambient.before_fork()
    path = str(tmp_path / "model.pt")
    seen: list[tuple[Any, ...]] = []
    _native.audit_start(lambda event, args: seen.append((event, *args, os.path.exists(path))))
    try:
        torch.save({"weight": torch.zeros(3)}, path)
    finally:
        _native.audit_stop()
    assert seen == [("open", path, None, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, False)]
    assert torch.load(path)["weight"].tolist() == [0, 0, 0]


def test_denormals_and_unchecked_distributions_are_as_the_program_set_them() -> None:
    smallest = 5e-324
    torch.set_flush_denormal(True)
    torch.distributions.Distribution.set_default_validate_args(False)
    try:
        state = torch_settings.ADAPTER.capture(torch_settings.ADAPTER.before_fork())
        torch.set_flush_denormal(False)
        torch.distributions.Distribution.set_default_validate_args(True)
        assert smallest * float(1) != 0
        torch_settings.ADAPTER.restore(state)
        assert smallest * float(1) == 0 and not torch.distributions.Distribution._validate_args
    finally:
        torch.set_flush_denormal(False)
        torch.distributions.Distribution.set_default_validate_args(__debug__)


def test_what_a_number_type_can_hold() -> None:
    floats, integers = again((torch.finfo(torch.float16), torch.iinfo(torch.int8)))
    assert floats == torch.finfo(torch.float16) and integers == torch.iinfo(torch.int8)
