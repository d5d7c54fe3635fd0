"""torch's process-wide and thread-wide settings: threads, dtype, device, grad mode, determinism, autocast, hooks."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any, Final

import torch
from torch.utils.hooks import RemovableHandle

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.say import say

_torch: Any = torch
_C: Any = torch._C
_DEVICES: Final = "torch.utils._device"
_SMALLEST: Final = 5e-324

_CUDNN: Final = ("enabled", "benchmark", "deterministic", "allow_tf32", "benchmark_limit")
_PRECISIONS: Final = (
    ("generic", "all"),
    *((backend, operation) for backend in ("mkldnn", "cuda") for operation in ("all", "conv", "rnn", "matmul")),
)
"""The general ones first: what they imply for the others need not be set again."""

_GLOBAL_HOOKS: Final = (
    ("torch.nn.modules.module", "_global_"),
    ("torch.optim.optimizer", "_global_"),
)
_AUTOCAST_DEVICES: Final = ("cpu", "cuda")


def _hook_tables() -> dict[tuple[str, str], Any]:
    """Module-level hook registries: dicts of handle id -> function, and flags beside them."""
    found: dict[tuple[str, str], Any] = {}
    for module, prefix in _GLOBAL_HOOKS:
        for name, value in vars(importlib.import_module(module)).items():
            if name.startswith(prefix) and (isinstance(value, (dict, bool)) or value is None):
                found[module, name] = value
    return found


def _precisions() -> dict[str, Any]:
    """How exactly 32-bit floats are multiplied, under torch's new names and under the old one.

    A program that sets one under both (`allow_tf32` and `set_float32_matmul_precision`) makes the old one unreadable.
    """
    legacy = None
    with suppress(RuntimeError):
        legacy = torch.get_float32_matmul_precision()
    return {"matmul": legacy, "float32": {place: _C._get_fp32_precision_getter(*place) for place in _PRECISIONS}}


def _restore_precisions(state: dict[str, Any]) -> None:
    if state["matmul"] is not None:
        torch.set_float32_matmul_precision(state["matmul"])
    for place, precision in state["float32"].items():
        if _C._get_fp32_precision_getter(*place) != precision:
            _C._set_fp32_precision_setter(*place, precision)


def _cudnn() -> dict[str, Any]:
    found = {}
    for name in _CUDNN:
        with suppress(RuntimeError):  # `allow_tf32`, as above
            found[name] = getattr(torch.backends.cudnn, name)
    return found


def _refuse_what_cannot_be_carried() -> None:
    from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

    modes = [mode for mode in _function_modes() if type(mode).__module__ != _DEVICES]
    modes += _get_current_dispatch_mode_stack()
    if modes:
        raise Refused(f"a torch mode is active: {type(modes[-1]).__name__}")
    if torch.is_inference_mode_enabled():
        raise Refused("inside torch.inference_mode(), whose guard only leaving the block can end")
    if _C._autograd._top_saved_tensors_default_hooks(True) is not None:
        raise Refused("inside torch.autograd.graph.saved_tensors_hooks(), which cannot be entered again")
    if _C._autograd._profiler_enabled():
        raise Refused("inside torch.profiler.profile(), whose records are in C++")
    if _C._functorch.peek_interpreter_stack() is not None:
        raise Refused("inside a torch.func transform (vmap, grad)")


def _function_modes() -> list[Any]:
    from torch.overrides import _get_current_function_mode_stack

    return list(_get_current_function_mode_stack())


def _devices() -> tuple[Any, Any, list[Any]]:
    """The context of `set_default_device`, the device that is current, and the context that makes it so: there is one
    on the stack of modes at most, that of the innermost `with torch.device()` (torch/utils/_device.py).
    """
    default = getattr(_torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    modes = _function_modes()
    return default, _torch.utils._device.CURRENT_DEVICE if modes else None, modes


def _restore_devices(state: tuple[Any, Any, list[Any]]) -> None:
    from torch.overrides import _push_mode

    default, current, modes = state
    if default is not None:
        _torch._GLOBAL_DEVICE_CONTEXT.device_context = default
    if modes:
        _torch.utils._device.CURRENT_DEVICE = current
        for mode in modes:
            _push_mode(mode)


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _autocast() -> dict[str, Any]:
    nesting = torch.autocast_increment_nesting() - 1
    torch.autocast_decrement_nesting()
    return {
        "nesting": nesting,
        "cache": torch.is_autocast_cache_enabled(),
        "devices": {d: (torch.is_autocast_enabled(d), torch.get_autocast_dtype(d)) for d in _AUTOCAST_DEVICES},
    }


def _restore_autocast(state: dict[str, Any]) -> None:
    for device, (enabled, dtype) in state["devices"].items():
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)
    torch.set_autocast_cache_enabled(state["cache"])
    for _ in range(state["nesting"]):
        torch.autocast_increment_nesting()


class _Settings(Quiet):
    name = "torch_settings"
    module = "torch"

    def before_fork(self) -> dict[str, Any]:
        # Grad mode, autocast and the mode stacks belong to the thread; the child saves in another one.
        _refuse_what_cannot_be_carried()
        return {
            "grad": torch.is_grad_enabled(),
            "flush_denormal": _SMALLEST * float(1) == 0,  # of the thread; torch sets it and cannot tell
            "multithreaded_backward": _C._is_multithreading_enabled(),
            "autocast": _autocast(),
            "devices": _devices(),
            "threads": torch.get_num_threads(),
            "interop_threads": torch.get_num_interop_threads(),
        }

    def capture(self, before: dict[str, Any]) -> dict[str, Any]:
        return before | {
            "dtype": torch.get_default_dtype(),
            "validated": _torch.distributions.Distribution._validate_args,
            "anomaly": (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
            "deterministic": _deterministic(),
            "fill_uninitialized": torch.utils.deterministic.fill_uninitialized_memory,
            "precisions": _precisions(),
            "cudnn": _cudnn(),
            "sharing": torch.multiprocessing.get_sharing_strategy(),
            "onednn": torch.backends.mkldnn.enabled,
            "printing": dict(vars(_torch._tensor_str.PRINT_OPTS)),
            "handles": RemovableHandle.next_id,
            "hooks": {key: dict(value) if isinstance(value, dict) else value for key, value in _hook_tables().items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        torch.set_default_dtype(state["dtype"])
        torch.set_flush_denormal(state["flush_denormal"])
        torch.distributions.Distribution.set_default_validate_args(state["validated"])
        _restore_devices(state["devices"])
        if torch.get_num_threads() != state["threads"]:
            torch.set_num_threads(state["threads"])
        if torch.get_num_interop_threads() != state["interop_threads"]:
            _set_interop_threads(state["interop_threads"])
        torch.autograd.set_detect_anomaly(*state["anomaly"])
        if _deterministic() != state["deterministic"]:  # not needlessly: it imports torch's compiler
            enabled, warn_only = state["deterministic"]
            torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = state["fill_uninitialized"]
        here = _cudnn()
        for name, value in state["cudnn"].items():
            if here.get(name) != value:
                setattr(torch.backends.cudnn, name, value)
        _restore_precisions(state["precisions"])
        torch.multiprocessing.set_sharing_strategy(state["sharing"])
        if torch.backends.mkldnn.enabled != state["onednn"]:
            _C._set_mkldnn_enabled(state["onednn"])
        vars(_torch._tensor_str.PRINT_OPTS).update(state["printing"])
        RemovableHandle.next_id = max(RemovableHandle.next_id, state["handles"])
        tables = _hook_tables()
        for key, value in state["hooks"].items():
            if isinstance(value, dict) and key in tables:
                tables[key].clear()
                tables[key].update(value)
            else:
                setattr(importlib.import_module(key[0]), key[1], value)
        _restore_autocast(state["autocast"])
        _C._set_multithreading_enabled(state["multithreaded_backward"])
        torch.set_grad_enabled(state["grad"])


def _set_interop_threads(count: int) -> None:
    try:
        torch.set_num_interop_threads(count)
    except RuntimeError:
        say(f"torch would not set {count} inter-op threads any more; results may differ in the last bits")


ADAPTER = _Settings()
