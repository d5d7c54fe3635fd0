"""Packs read record by record, without journal or index: with their key, or where that is missing by checksums alone.

Those are proof against accidents, not against people. Only `rekey.py` may ask this, without a key for whoever said that
the store is to be trusted. Nothing of an encrypted store can be read without its key.
"""

from __future__ import annotations

import os

from forkpoint import errors
from forkpoint.journal import disk, durable, manifest, pack, pack_place, record, seal
from forkpoint.journal.home import Home

Place = tuple[str, int]
"""(pack, offset) of a record."""


class Packs:
    """All records of these packs that are whole, and the manifests among them. Damaged ones are left out.

    `key`: that which the packs were written with; None to go by their checksums.
    """

    def __init__(self, home: Home, names: list[str], key: seal.Seal | None = None) -> None:
        self._home = home
        self._key = key
        self.places: dict[bytes, Place] = {}
        self.envelopes: list[manifest.Envelope] = []
        for name in names:
            self._walk(name)

    def _walk(self, name: str) -> None:
        fd = self._open(name)
        try:
            offset = pack.HEADER_BYTES
            while (head := self._head(durable.read_exactly(fd, record.HEAD_BYTES, offset))) is not None:
                self.places.setdefault(head.id, (name, offset))
                if head.type == record.MANIFEST:
                    envelope = manifest.from_bytes(self._payload(fd, offset, head))
                    if envelope.pack == name:
                        self.envelopes.append(envelope)
                offset += record.HEAD_BYTES + head.stored
        except errors.IntegrityError:
            pass  # what came before the damage can still be used
        finally:
            disk.close(fd)

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
            head = self._head(durable.read_exactly(fd, record.HEAD_BYTES, offset))
            if head is None or head.id != id:
                raise errors.IntegrityError(f"pack {name}, offset {offset}: another record than before")
            return head, self._payload(fd, offset, head)
        finally:
            disk.close(fd)

    def _head(self, raw: bytes) -> record.Head | None:
        try:
            return record.unkeyed_head(raw) if self._key is None else record.read_head(self._key, raw)
        except errors.IntegrityError:
            return None

    def _payload(self, fd: int, offset: int, head: record.Head) -> bytes:
        stored = durable.read_exactly(fd, head.stored, offset + record.HEAD_BYTES)
        if self._key is None:
            return record.unkeyed_payload(head, stored)
        return record.read_payload(self._key, head, stored)
