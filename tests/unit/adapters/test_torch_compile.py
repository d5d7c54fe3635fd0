"""torch.compile: what it leaves in namespaces is not saved, and no commit comes in the middle of its calls."""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch._dynamo import bytecode_transformation

from forkpoint.capture import ambient
from forkpoint.errors import Refused

NAME = "torch_compile"

PROGRAM = """
import torch

@torch._dynamo.disable
def aside():
    looked.append(look())

@torch.compile(backend="eager")
def compiled(x):
    y = x.sin()
    aside()
    return y.relu() + len(looked)
"""


@pytest.fixture
def program() -> Iterator[Any]:
    """A module whose compiled function asks `look` in the middle."""
    module = types.ModuleType("compiling_program")
    module.looked, module.look = [], lambda: None
    exec(compile(PROGRAM, "<compiling program>", "exec", dont_inherit=True), vars(module))
    yield module
    torch._dynamo.reset()


def test_compiled_code_is_taken_out_and_compiling_again_does_not_fail_over_its_names(program: Any) -> None:
    program.compiled(torch.ones(3))
    assert any(name.startswith("__compiled_fn") for name in vars(program))
    state = ambient._load(NAME).capture(None)
    assert not any(name.startswith(("__compiled_fn", "__resume_at")) for name in vars(program))
    torch._dynamo.reset()
    bytecode_transformation._unique_id_counter = itertools.count()  # as in a new process
    ambient._load(NAME).restore(state)
    assert program.compiled(torch.ones(3)).sum() > 3


def test_inside_a_compiled_call_a_commit_is_refused(program: Any) -> None:
    def look() -> str:
        with pytest.raises(Refused, match=r"torch\.compile has compiled"):
            ambient._load(NAME).before_fork()
        return "refused"

    program.look = look
    program.compiled(torch.ones(3))
    assert program.looked == ["refused"]
    assert ambient._load(NAME).before_fork() is None


def test_automatic_commits_keep_out_of_such_calls(program: Any) -> None:
    ambient.adapters()
    assert program.compiled.__code__ in ambient.inside()
