"""A program of one module, for the tests beside it."""

from __future__ import annotations

import sys
import types
from typing import Any

from memory_store import MemoryStore

from forkpoint.capture import libraries, roots
from forkpoint.encode.pickler import encode
from forkpoint.encode.unpickler import decode
from forkpoint.model import Encoded, ProgramImage


class World:
    """A program of one module, encoded and decoded in this process."""

    def __init__(self, source: str) -> None:
        self.module = self._fresh()
        exec(compile(source, "<program>", "exec", dont_inherit=True), self.module.__dict__)
        self.store = MemoryStore()

    @staticmethod
    def _fresh() -> types.ModuleType:
        module = types.ModuleType("program_under_test")
        sys.modules[module.__name__] = module
        return module

    def encode(self, **options: Any) -> Encoded:
        found = roots.find()
        only = roots.Roots((self.module,), found.imports)
        image = ProgramImage((self.module,), found.imports, None, {})
        options.setdefault("reducers", {})
        return encode(image, named=libraries.named(only), sink=self.store, **options)

    def again(self, **options: Any) -> types.ModuleType:
        encoded = self.encode(**options)
        module = self._fresh()
        decode(encoded.pods, self.store)
        return module
