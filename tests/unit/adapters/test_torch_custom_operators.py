"""Operators that the program defines: registered again with all its functions, and found by what refers to them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from in_memory import again

from forkpoint.capture import ambient
from forkpoint.capture.adapters import torch_custom_operators

PROGRAM = """
import torch

@torch.library.custom_op("forkpoint_test::scaled", mutates_args=())
def scaled(x: torch.Tensor, by: float) -> torch.Tensor:
    return x * by

@scaled.register_fake
def fake(x, by):
    return torch.empty_like(x)

def keep(ctx, inputs, output):
    ctx.by = inputs[1]

scaled.register_autograd(lambda ctx, grad: (grad * ctx.by * 10, None), setup_context=keep)

@scaled.register_vmap
def batched(info, dims, x, by):
    return scaled(x, by), dims[0]

@torch.library.custom_op("forkpoint_test::raised", mutates_args={"x"}, device_types="cpu")
def raised(x: torch.Tensor) -> None:
    x.add_(1)
"""


@pytest.fixture
def program() -> dict[str, Any]:
    """The program's names; its functions count as `__main__`'s."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(PROGRAM, names)
    return names


def test_operators_of_the_program_work_again(program: dict[str, Any]) -> None:
    table = {torch.ops.forkpoint_test.scaled.default: "scaled"}
    kept = again((program["scaled"], program["raised"], table))
    scaled, raised, table = kept
    assert scaled is not program["scaled"]
    x = torch.ones(2, requires_grad=True)
    scaled(x, 3.0).sum().backward()
    assert x.grad.tolist() == [30, 30]
    assert torch.vmap(scaled, in_dims=(0, None))(torch.ones(2, 1), 2.0).tolist() == [[2], [2]]
    assert torch.ops.forkpoint_test.scaled(torch.empty(3, device="meta"), 1.0).shape == (3,)
    y = torch.zeros(1)
    raised(y)
    assert y.tolist() == [1]
    assert table[torch.ops.forkpoint_test.scaled.default] == "scaled"


def test_one_that_only_torch_holds_is_kept(program: dict[str, Any]) -> None:
    raised = program.pop("raised")
    state = ambient.capture(ambient.before_fork())
    assert raised in state[torch_custom_operators.ADAPTER.name]


def test_a_librarys_is_named() -> None:
    exec(PROGRAM, names := {"__name__": "torch.somewhere"})
    make, arguments = torch_custom_operators.reduce_definition(names["scaled"], None)
    assert make(*arguments) is names["scaled"]
