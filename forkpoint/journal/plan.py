"""What a restore needs and where it lies: a frozen value that crosses an exec as JSON."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from typing import NamedTuple

from forkpoint import errors, model
from forkpoint.journal import manifest

_ROW = struct.Struct("<32sIQQ")


class RestorePlan(NamedTuple):
    """One restore point: its manifest, and for every chunk (pack, offset of its record, stored length)."""

    seq: int
    envelope: manifest.Envelope
    chunks: Mapping[bytes, tuple[str, int, int]]

    @property
    def manifest(self) -> model.Manifest:
        """What the restore point holds."""
        return self.envelope.manifest

    def packs_by_chunk(self) -> dict[bytes, str]:
        """chunk -> pack, as `known.reset` takes it."""
        return {chunk: place[0] for chunk, place in self.chunks.items()}

    def to_bytes(self) -> bytes:
        """For a memfd that is handed over exec. Holds no key; whoever reads it opens the store first."""
        packs = sorted({place[0] for place in self.chunks.values()})
        number = {pack: at for at, pack in enumerate(packs)}
        rows = b"".join(_ROW.pack(chunk, number[p], offset, size) for chunk, (p, offset, size) in self.chunks.items())
        whole = {
            "seq": self.seq,
            "envelope": manifest.to_bytes(self.envelope).decode("utf-8", "surrogatepass"),
            "packs": packs,
            "chunks": base64.b64encode(rows).decode(),
        }
        return json.dumps(whole).encode("utf-8", "surrogatepass")

    @classmethod
    def from_bytes(cls, data: bytes) -> RestorePlan:
        """The reverse of `to_bytes`."""
        try:
            whole = json.loads(data.decode("utf-8", "surrogatepass"))
            envelope = manifest.from_bytes(whole["envelope"].encode("utf-8", "surrogatepass"))
            packs = whole["packs"]
            rows = _ROW.iter_unpack(base64.b64decode(whole["chunks"]))
            chunks = {chunk: (packs[number], offset, size) for chunk, number, offset, size in rows}
            return cls(whole["seq"], envelope, chunks)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, struct.error) as error:
            raise errors.RestoreFailed(f"a restore plan cannot be read: {error!r}") from None
