"""torch's process-wide switches that choose an algorithm or a format: each is read by one function, set by another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch

from forkpoint.capture.adapters._quiet import Quiet

_C: Any = torch._C
_torch: Any = torch
_sdp: Any = torch.backends.cuda

_SWITCHES: Final[dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]] = {
    # attention: which of its kernels is taken changes the last bits
    "mha_fastpath": (_torch.backends.mha.get_fastpath_enabled, _torch.backends.mha.set_fastpath_enabled),
    "flash_sdp": (_sdp.flash_sdp_enabled, _sdp.enable_flash_sdp),
    "math_sdp": (_sdp.math_sdp_enabled, _sdp.enable_math_sdp),
    "efficient_sdp": (_sdp.mem_efficient_sdp_enabled, _sdp.enable_mem_efficient_sdp),
    "cudnn_sdp": (_sdp.cudnn_sdp_enabled, _sdp.enable_cudnn_sdp),
    "reduced_math_sdp": (_sdp.fp16_bf16_reduction_math_sdp_allowed, _sdp.allow_fp16_bf16_reduction_math_sdp),
    "sdp_priority": (_C._get_sdp_priority_order, _C._set_sdp_priority_order),
    "nnpack": (_C._get_nnpack_enabled, _C._set_nnpack_enabled),
    "onednn_deterministic": (_C._get_mkldnn_deterministic, _C._set_mkldnn_deterministic),
    "reduced_fp16": (
        _C._get_cpu_allow_fp16_reduced_precision_reduction,
        _C._set_cpu_allow_fp16_reduced_precision_reduction,
    ),
    "quantized_engine": (_C._get_qengine, _C._set_qengine),
    "sparse_invariants": (_C._check_sparse_tensor_invariants, _C._set_check_sparse_tensor_invariants),
    "warn_always": (torch.is_warn_always_enabled, torch.set_warn_always),
    "overwrite_parameters": (
        _torch.__future__.get_overwrite_module_params_on_conversion,
        _torch.__future__.set_overwrite_module_params_on_conversion,
    ),
    "swap_parameters": (
        _torch.__future__.get_swap_module_params_on_conversion,
        _torch.__future__.set_swap_module_params_on_conversion,
    ),
    "archive_crc32": (_torch.serialization.get_crc32_options, _torch.serialization.set_crc32_options),
    "archive_endianness": (
        _torch.serialization.get_default_load_endianness,
        _torch.serialization.set_default_load_endianness,
    ),
}


class _Switches(Quiet):
    name = "torch_switches"
    module = "torch"

    def capture(self, before: None) -> dict[str, Any]:
        return {name: read() for name, (read, _) in _SWITCHES.items()}

    def restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            read, write = _SWITCHES[name]
            if read() != value:
                write(value)


ADAPTER = _Switches()
