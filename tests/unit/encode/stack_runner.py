"""Run as a program: `save STORE` captures its own stack in the middle of its work and encodes it; `load STORE` decodes
it in this new interpreter and goes on. Both print what the program prints."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

from forkpoint.capture import libraries, roots, stack
from forkpoint.encode.pickler import encode
from forkpoint.encode.unpickler import decode, decode_preamble
from forkpoint.model import ProgramImage
from forkpoint.restore.resume import resume

sys.path.insert(0, str(Path(__file__).parent))
from memory_store import MemoryStore  # noqa: E402

PROGRAM = """
import itertools

class Work:
    def __init__(self):
        self.done = []
        self.table = {self: "me"}
        self.pending = {f"p{i}" for i in range(9)}

    def __hash__(self):
        return 5

    def steps(self, n):
        for i in range(n):
            yield i, save(i)

    def run(self):
        total = itertools.count(10)
        for name in self.pending:
            pass
        walk = iter({"a": 1, "b": 2}.items())
        next(walk)
        for i, mark in self.steps(4):
            self.done.append((i, next(total), mark))
        assert self.table[self] == "me" and w is self
        return self.done, list(walk)

w = Work()
print(w.run())
"""


def namespace() -> types.ModuleType:
    module = types.ModuleType("program")
    sys.modules["program"] = module
    return module


def save(path: Path) -> None:
    module = namespace()
    stack.set_base(save.__code__)

    def checkpoint(i: int) -> Any:
        if i != 2:
            return "passed"
        found = roots.find()
        only = roots.Roots((module,), found.imports)
        captured = stack.capture("call")
        store = MemoryStore()
        image = ProgramImage((module,), found.imports, captured, {})
        store.save(path, encode(image, named=libraries.named(only), reducers={}, sink=store))
        return "passed"

    checkpoint.__globals__["__name__"] = "forkpoint.testing"  # its frame is not the program's
    module.__dict__["save"] = checkpoint
    exec(compile(PROGRAM, "<program>", "exec", dont_inherit=True), module.__dict__)


def load(path: Path) -> None:
    encoded, store = MemoryStore.load(path)
    assert decode_preamble(encoded.pods, store).modules[0].name == "program"
    module = namespace()
    image = decode(encoded.pods, store)
    module.__dict__["save"] = lambda i: "later"
    assert image.stack is not None
    resume(image.stack, "restored")


if __name__ == "__main__":
    {"save": save, "load": load}[sys.argv[1]](Path(sys.argv[2]))
