"""torch's process-wide switches that choose an algorithm or a format: each is read by one function, set by another."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator
from typing import Any, Final

import torch

from forkpoint.capture.adapters._quiet import Quiet

_SWITCHES: Final = {
    # attention: which of its kernels is taken changes the last bits
    "mha_fastpath": ("backends.mha.get_fastpath_enabled", "backends.mha.set_fastpath_enabled"),
    "flash_sdp": ("backends.cuda.flash_sdp_enabled", "backends.cuda.enable_flash_sdp"),
    "math_sdp": ("backends.cuda.math_sdp_enabled", "backends.cuda.enable_math_sdp"),
    "efficient_sdp": ("backends.cuda.mem_efficient_sdp_enabled", "backends.cuda.enable_mem_efficient_sdp"),
    "cudnn_sdp": ("backends.cuda.cudnn_sdp_enabled", "backends.cuda.enable_cudnn_sdp"),
    "reduced_math_sdp": (
        "backends.cuda.fp16_bf16_reduction_math_sdp_allowed",
        "backends.cuda.allow_fp16_bf16_reduction_math_sdp",
    ),
    "sdp_priority": ("_C._get_sdp_priority_order", "_C._set_sdp_priority_order"),
    "nnpack": ("_C._get_nnpack_enabled", "_C._set_nnpack_enabled"),
    "onednn_deterministic": ("_C._get_mkldnn_deterministic", "_C._set_mkldnn_deterministic"),
    "reduced_fp16": (
        "_C._get_cpu_allow_fp16_reduced_precision_reduction",
        "_C._set_cpu_allow_fp16_reduced_precision_reduction",
    ),
    "quantized_engine": ("_C._get_qengine", "_C._set_qengine"),
    "sparse_invariants": ("_C._check_sparse_tensor_invariants", "_C._set_check_sparse_tensor_invariants"),
    "warn_always": ("is_warn_always_enabled", "set_warn_always"),
    "overwrite_parameters": (
        "__future__.get_overwrite_module_params_on_conversion",
        "__future__.set_overwrite_module_params_on_conversion",
    ),
    "swap_parameters": (
        "__future__.get_swap_module_params_on_conversion",
        "__future__.set_swap_module_params_on_conversion",
    ),
    "archive_crc32": ("serialization.get_crc32_options", "serialization.set_crc32_options"),
    "archive_endianness": ("serialization.get_default_load_endianness", "serialization.set_default_load_endianness"),
}
"""Name -> what reads it and what sets it, below `torch`; a version that has none of it has no such switch."""


def _found() -> Iterator[tuple[str, Any, Any]]:
    for name, paths in _SWITCHES.items():
        try:
            read, write = (operator.attrgetter(path)(torch) for path in paths)
        except AttributeError:
            continue
        yield name, read, write


_OPTIONS: Final = "torch.utils.serialization"
"""Whose submodule `config` holds the options of archives, in versions that have it."""


def _is_never_set(read: Any) -> bool:
    """Would this import the options, a few milliseconds in each child? Then nobody has set them."""
    names = getattr(getattr(read, "__code__", None), "co_names", ())
    return _OPTIONS in names and f"{_OPTIONS}.config" not in sys.modules


class _Switches(Quiet):
    name = "torch_switches"
    module = "torch"

    def capture(self, before: None) -> dict[str, Any]:
        return {name: read() for name, read, _ in _found() if not _is_never_set(read)}

    def restore(self, state: dict[str, Any]) -> None:
        for name, read, write in _found():
            if name in state and read() != state[name]:
                write(state[name])


ADAPTER = _Switches()
