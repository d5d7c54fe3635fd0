"""A chunk sink and source in memory, and a round trip through a file for a second interpreter."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from forkpoint.model import Encoded


class MemoryStore:
    """Implements `model.ChunkSink` and `model.ChunkSource`."""

    def __init__(self) -> None:
        self.chunks: dict[bytes, bytes] = {}
        self.kinds: list[tuple[str, int, int]] = []

    def put(self, data: bytes | bytearray | memoryview, kind: Literal["objects", "buffer"], itemsize: int = 1) -> bytes:
        content = bytes(data)
        name = hashlib.blake2b(content, digest_size=32).digest()
        self.chunks[name] = content
        self.kinds.append((kind, itemsize, len(content)))
        return name

    def holds(self, chunks: Sequence[bytes]) -> bool:
        return all(chunk in self.chunks for chunk in chunks)

    def get(self, chunk: bytes) -> bytes:
        return self.chunks[chunk]

    def save(self, path: Path, encoded: Encoded) -> None:
        path.write_bytes(pickle.dumps((encoded, self.chunks)))

    @classmethod
    def load(cls, path: Path) -> tuple[Any, MemoryStore]:
        encoded, chunks = pickle.loads(path.read_bytes())
        store = cls()
        store.chunks = chunks
        return encoded, store
