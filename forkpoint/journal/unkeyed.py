"""Packs of a store whose key is not here, read by their checksums alone: proof against accidents, not against people.

Only `rekey.py` may ask this, for whoever said that the store is to be trusted.
"""

from __future__ import annotations

import os

from forkpoint import errors
from forkpoint.journal import durable, manifest, pack, pack_place, record
from forkpoint.journal.home import Home

Place = tuple[str, int]
"""(pack, offset) of a record."""


class Packs:
    """All records of these packs that are whole, and the manifests among them. Damaged ones are left out."""

    def __init__(self, home: Home, names: list[str]) -> None:
        self._home = home
        self.places: dict[bytes, Place] = {}
        self.envelopes: list[manifest.Envelope] = []
        for name in names:
            self._walk(name)

    def _walk(self, name: str) -> None:
        fd = self._open(name)
        try:
            offset = pack.HEADER_BYTES
            while (head := _head(durable.read_exactly(fd, record.HEAD_BYTES, offset))) is not None:
                self.places.setdefault(head.id, (name, offset))
                if head.type == record.MANIFEST:
                    envelope = manifest.from_bytes(_payload(fd, offset, head))
                    if envelope.pack == name:
                        self.envelopes.append(envelope)
                offset += record.HEAD_BYTES + head.stored
        except errors.IntegrityError:
            pass  # what came before the damage can still be used
        finally:
            os.close(fd)

    def _open(self, name: str) -> int:
        with self._home.held() as root:
            return durable.open_beneath(root, pack_place.parts(name), os.O_RDONLY | os.O_NONBLOCK)

    def read(self, id: bytes) -> tuple[record.Head, bytes]:
        """The chunk of this id. Raises `IntegrityError` when it is not there or not what was written."""
        if id not in self.places:
            raise errors.IntegrityError(f"chunk {id.hex()[:16]} is in none of the packs")
        name, offset = self.places[id]
        fd = self._open(name)
        try:
            head = _head(durable.read_exactly(fd, record.HEAD_BYTES, offset))
            if head is None or head.id != id:
                raise errors.IntegrityError(f"pack {name}, offset {offset}: another record than before")
            return head, _payload(fd, offset, head)
        finally:
            os.close(fd)


def _head(raw: bytes) -> record.Head | None:
    try:
        return record.unkeyed_head(raw)
    except errors.IntegrityError:
        return None


def _payload(fd: int, offset: int, head: record.Head) -> bytes:
    stored = durable.read_exactly(fd, head.stored, offset + record.HEAD_BYTES)
    return record.unkeyed_payload(head, stored)
