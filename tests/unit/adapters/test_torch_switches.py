"""torch's switches: what the program chose is what the restored program runs with."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from forkpoint.capture.adapters.torch_switches import ADAPTER


@pytest.mark.parametrize(
    ("choose", "ask"),
    [
        (torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled),
        (torch.backends.cuda.enable_flash_sdp, torch.backends.cuda.flash_sdp_enabled),
        (torch.backends.cuda.enable_math_sdp, torch.backends.cuda.math_sdp_enabled),
        (torch._C._set_nnpack_enabled, torch._C._get_nnpack_enabled),
        (torch.set_warn_always, torch.is_warn_always_enabled),
        (torch.serialization.set_crc32_options, torch.serialization.get_crc32_options),
        (
            torch.__future__.set_overwrite_module_params_on_conversion,
            torch.__future__.get_overwrite_module_params_on_conversion,
        ),
    ],
)
def test_a_switch_is_put_back(choose: Any, ask: Any) -> None:
    before = ask()
    choose(not before)
    state = ADAPTER.capture(ADAPTER.before_fork())
    choose(before)
    ADAPTER.restore(state)
    try:
        assert ask() is not before
    finally:
        choose(before)


def test_the_kernels_that_attention_may_take_are_put_back() -> None:
    with torch.nn.attention.sdpa_kernel([torch.nn.attention.SDPBackend.MATH]):
        inside = ADAPTER.capture(ADAPTER.before_fork())
        flash = torch.backends.cuda.flash_sdp_enabled()
    outside = ADAPTER.capture(ADAPTER.before_fork())
    assert inside != outside and not flash
    ADAPTER.restore(inside)
    assert ADAPTER.capture(ADAPTER.before_fork()) == inside
    ADAPTER.restore(outside)
    assert ADAPTER.capture(ADAPTER.before_fork()) == outside


def test_putting_back_what_is_so_already_calls_nothing() -> None:
    """Some cannot be set at all on some machines."""
    with warnings.catch_warnings(action="error"):
        ADAPTER.restore(ADAPTER.capture(ADAPTER.before_fork()))


def test_options_that_nobody_has_imported_are_not_imported_to_be_read() -> None:
    lines = (
        "import sys, torch",
        "from forkpoint.capture.adapters.torch_switches import ADAPTER",
        "unset = ADAPTER.capture(None)",
        "assert 'torch.utils.serialization.config' not in sys.modules",
        "torch.serialization.set_crc32_options(False)",
        "print('archive_crc32' in unset, ADAPTER.capture(None)['archive_crc32'])",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
