"""torch's own ambient state: settings, modes, the default generator, and what it writes by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from in_memory import dumps, loads, torch_state

from forkpoint import _native
from forkpoint.capture import ambient
from forkpoint.capture.adapters import torch_settings, torch_tensors
from forkpoint.errors import Refused

pytestmark = pytest.mark.usefixtures("same_torch_settings_afterwards")


def test_precisions_set_under_torchs_old_name_and_its_new_one() -> None:
    before = torch_state()
    torch.set_float32_matmul_precision("medium")
    torch.backends.cuda.matmul.allow_tf32 = False  # from here on torch will not say what the first one is
    state = torch_state()
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


def test_settings_come_back() -> None:
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("medium")
    torch.set_printoptions(precision=2)
    torch.autograd.set_detect_anomaly(True, check_nan=False)
    torch.set_default_device("cpu")
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        saved = dumps(torch_state())
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


def test_with_device_goes_on_and_ends_where_it_would_have() -> None:
    torch.set_default_device("cpu")
    with torch.device("meta") as inside:
        saved = dumps((torch_state(), inside))
    torch.set_default_device(None)
    state, inside = loads(saved)
    ambient.restore(state)
    assert torch.ones(2).device.type == torch.get_default_device().type == "meta"
    inside.__exit__(None, None, None)
    assert torch.ones(2).device.type == "cpu"
    torch.set_default_device(None)
    assert not torch.overrides._get_current_function_mode_stack()


def test_a_function_mode_of_the_program_is_not_asked_by_looking_for_open_graphs() -> None:
    asked: list[Any] = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            asked.append(function)
            return function(*args, **(kwargs or {}))

    loss = (torch.ones(3, requires_grad=True) * 2).sum()
    with Mode():
        assert torch_tensors.ADAPTER.unfinished(loss, "loss") is not None
    assert not asked


def test_the_default_generator_goes_on() -> None:
    torch.manual_seed(4)
    torch.randn(3)
    saved = dumps(torch_state())
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
