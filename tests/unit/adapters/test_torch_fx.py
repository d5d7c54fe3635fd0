"""torch.fx: traced modules come back with their very graph, and operators are the operators that torch knows."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from in_memory import again
from torch import fx, nn

from forkpoint.capture.adapters import torch_operators


class Doubling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x) * 2


def test_operators_are_found_in_tables_again() -> None:
    mm = torch.ops.aten.mm
    table, packet, overload = again(({mm.default: 1, mm: 2}, mm, mm.out))
    assert table == {mm.default: 1, mm: 2}
    assert packet is mm and overload is mm.out


def test_an_operator_that_the_program_defines_is_not_looked_up_by_name() -> None:
    library = torch.library.Library("forkpoint_test", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    twice = torch.ops.forkpoint_test.twice
    try:
        assert torch_operators.reduce_packet(twice, None) is NotImplemented
        assert torch_operators.reduce_overload(twice.default, None) is NotImplemented
        assert torch_operators.reduce_packet(torch.ops.prims.sin, None) is not NotImplemented  # defined in Python, too
    finally:
        library._destroy()


def test_a_traced_module_keeps_its_graph_and_what_is_noted_in_it() -> None:
    module = Doubling()
    traced = fx.symbolic_trace(module)
    node = next(iter(traced.graph.find_nodes(op="call_module")))
    node.meta["seen"] = [node]
    traced, graph, node, module = again((traced, traced.graph, node, module))
    assert traced.graph is graph and node.graph is graph and node.meta["seen"][0] is node
    assert traced.layer is module.layer
    assert torch.equal(traced(torch.ones(1, 2)), module(torch.ones(1, 2)))
    with graph.inserting_after(node):
        added = graph.call_function(torch.neg, (node,))
    node.replace_all_uses_with(added, delete_user_cb=lambda user: user is not added)
    graph.lint()
    traced.recompile()
    assert torch.equal(traced(torch.ones(1, 2)), -module(torch.ones(1, 2)))
