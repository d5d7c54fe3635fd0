"""networkx replaces the code of its functions when they are first called: a new process gets the same code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import forkpoint

pytest.importorskip("networkx")

USE = """
import json, sys
import networkx as nx
from networkx.utils import decorators
from forkpoint.capture import ambient
def shown():
    codes = [f.__code__ for f in (nx.betweenness_centrality, nx.empty_graph.orig_func, nx.connected_components)]
    names = sorted(name for name in vars(decorators) if name.startswith("argmap_"))
    return [[code.co_name, code.co_filename, code.co_code.hex()] for code in codes], names, decorators.argmap._count()
"""
CALL = (
    "graph = nx.gnm_random_graph(9, 12, seed=1); nx.betweenness_centrality(graph); list(nx.connected_components(graph))"
)


def run(code: str, given: str = "") -> list[object]:
    env = {**os.environ, "PYTHONPATH": str(Path(forkpoint.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", USE + code], env=env, input=given, capture_output=True, text=True, check=True
    )
    answer: list[object] = json.loads(done.stdout)
    return answer


def test_functions_that_were_called_are_compiled_again_under_their_numbers() -> None:
    facts, there = run(f"{CALL}\nprint(json.dumps((ambient.facts(), shown())))")
    assert run("print(json.dumps(shown()))") != there
    again = "ambient.prepare(json.load(sys.stdin))\n"
    assert run(f"{again}print(json.dumps(shown()))", json.dumps(facts)) == there
    assert run(f"{CALL}\n{again}print(json.dumps(shown()))", json.dumps(facts)) == there  # in the program itself


OWN = """
@nx.utils.not_implemented_for("directed")
def own(graph):
    return len(graph)

before = shown()[1]
own(graph)
brought = sorted(set(shown()[1]) - set(before))
from forkpoint.capture.adapters.networkx_decorators import ADAPTER
state = ADAPTER.capture(None)
left = shown()[1]
ADAPTER.restore(state)
print(json.dumps([sorted(state) == brought, left == before, own(graph)]))
"""


def test_what_the_programs_own_functions_brought_is_saved_and_the_rest_is_not() -> None:
    assert run(CALL + OWN) == [True, True, 9]
