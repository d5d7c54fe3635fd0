"""No commit is taken while a process is being started."""

from __future__ import annotations

import multiprocessing.process
import os
import subprocess
import sys

import pytest

from forkpoint.capture import ambient

PROGRAM = """
import os, sys
from forkpoint.capture import ambient, stack
from {module} import {name}

def nothing():
    pass

def asked():
    code = stack.deepest_resumable(ambient.inside()).code
    print(code.co_qualname)
    return pipe()

def start():
    {start}

if __name__ == "__main__":
    {name}
    pipe, os.pipe = os.pipe, asked
    ambient.adapters()
    start()
    os.pipe = pipe
"""

PROCESS = """process = get_context("{}").Process(target=nothing); process.start(); process.join()"""


@pytest.mark.parametrize(
    ("module", "name", "start"),
    [
        ("subprocess", "run", "run([sys.executable, '-c', ''], check=True, capture_output=True)"),
        ("multiprocessing", "get_context", PROCESS.format("fork")),
        ("multiprocessing", "get_context", PROCESS.format("spawn")),
        ("multiprocessing.resource_tracker", "ensure_running", "ensure_running()"),
        ("joblib.externals.loky.backend.resource_tracker", "ensure_running", "ensure_running()"),
    ],
)
def test_when_a_pipe_is_made_a_commit_would_be_taken_outside_of_the_start(
    module: str, name: str, start: str, tmp_path: object
) -> None:
    program = os.path.join(str(tmp_path), "program.py")
    with open(program, "w") as file:
        file.write(PROGRAM.format(module=module, name=name, start=start))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    functions = done.stdout.split()
    assert functions
    assert set(functions) <= {"start", "run", "<module>", "ResourceTracker._ensure_running_and_write"}


def test_functions_that_a_version_lacks_are_left_out() -> None:
    ambient.adapters()
    for function in (subprocess.Popen.__init__, multiprocessing.process.BaseProcess.start):
        assert function.__code__ in ambient.inside()
