"""Reading packs: by index, record by record when the index is damaged, and every byte of one."""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from typing import Self

from forkpoint import errors
from forkpoint.journal import disk, durable, manifest, pack, pack_place, record, seal
from forkpoint.journal.home import Home, is_id
from forkpoint.journal.plan import RestorePlan

_OPEN_PACKS_MAX = 32
_NOT_THE_PACKS_FAULT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM)


class Survey:
    """What of a pack is whole: `whole` as `PackFile.entries`, `lengths` decoded; `problems`: (text, id of the record).

    A problem without an id is one of the pack itself: its header, index or footer, or the whole file.
    """

    __slots__ = ("lengths", "problems", "size", "whole")

    def __init__(self, size: int, *problems: str) -> None:
        self.size = size
        self.problems: list[tuple[str, bytes | None]] = [(text, None) for text in problems]
        self.whole: dict[bytes, tuple[int, int, int]] = {}
        self.lengths: dict[bytes, int] = {}


class PackFile:
    """One pack, open for reading. Raises `IntegrityError` when it is missing or not a pack of this store, and a plain
    `ForkpointError` when this process cannot open it, which says nothing about the pack: repair and rotation must not
    take it for lost.
    """

    def __init__(self, home: Home, name: str) -> None:
        self.name = name
        self._home = home
        self._seal = home.seal
        self._index: dict[bytes, tuple[int, int, int]] | None = None
        self.index_problem = ""
        try:
            with home.held() as root:
                found = durable.open_beneath(root, pack_place.parts(name), os.O_RDONLY | os.O_NONBLOCK)
                self._fd = durable.apart(found)  # the numbers of a program that is being restored are its own
        except OSError as error:
            if error.errno in _NOT_THE_PACKS_FAULT:
                raise errors.ForkpointError(f"pack {name} cannot be opened: {error.strerror}") from error
            raise errors.IntegrityError(f"pack {name}: {error.strerror}") from None
        try:
            facts = disk.fstat(self._fd)
            self.size = facts.st_size
            if not stat.S_ISREG(facts.st_mode):
                raise errors.IntegrityError(f"pack {name} is not a regular file")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            disk.close(self._fd)
            self._fd = -1

    def _head_at(self, offset: int) -> record.Head:
        try:
            if offset + record.HEAD_BYTES > self.size:
                raise errors.IntegrityError("beyond its end")
            return record.read_head(self._seal, durable.read_exactly(self._fd, record.HEAD_BYTES, offset))
        except (OSError, errors.IntegrityError) as error:
            raise errors.IntegrityError(f"pack {self.name}, offset {offset}: {error}") from None

    def raw(self, entry: tuple[int, int, int]) -> bytes:
        """A record as it stands in the file, head and all: of one that was surveyed and is whole."""
        return durable.read_exactly(self._fd, record.HEAD_BYTES + entry[1], entry[0])

    def read(self, offset: int, expected: bytes | None = None) -> tuple[record.Head, bytes]:
        """The record at `offset`, checked from tag to id; `expected` is the id it must have."""
        head = self._head_at(offset)
        if expected is not None and head.id != expected:
            raise errors.IntegrityError(f"pack {self.name}, offset {offset}: another record than the one looked for")
        if head.stored > self.size - offset:
            raise errors.IntegrityError(f"pack {self.name}, offset {offset}: cut short")
        try:
            stored = durable.read_exactly(self._fd, head.stored, offset + record.HEAD_BYTES)
            return head, record.read_payload(self._seal, head, stored)
        except (OSError, errors.IntegrityError) as error:
            raise errors.IntegrityError(f"pack {self.name}, offset {offset}: {error}") from None

    def _footer(self) -> tuple[int, int]:
        """(offset of the index, number of entries)."""
        raw = durable.read_exactly(self._fd, pack.FOOTER_BYTES, max(0, self.size - pack.FOOTER_BYTES))
        body, tag = raw[: pack.FOOTER.size], raw[pack.FOOTER.size :]
        if len(raw) != pack.FOOTER_BYTES or not seal.same(self._seal.tag("pack footer", body), tag):
            raise errors.IntegrityError(f"pack {self.name}: its footer is damaged or missing")
        magic, offset, size, count, name = pack.FOOTER.unpack(body)
        if magic != pack.FOOTER_MAGIC or size != self.size or name.hex() != self.name:
            raise errors.IntegrityError(f"pack {self.name}: its footer is another pack's")
        return offset, count

    def _indexed(self) -> dict[bytes, tuple[int, int, int]]:
        offset, count = self._footer()
        head, body = self.read(offset)
        if head.type != record.INDEX or body[:16].hex() != self.name or len(body) != 16 + count * pack.ENTRY.size:
            raise errors.IntegrityError(f"pack {self.name}: its index is another pack's")
        return {id: (at, stored, type) for id, at, stored, type in pack.ENTRY.iter_unpack(body[16:])}

    def _walked(self) -> dict[bytes, tuple[int, int, int]]:
        """The records as their heads say, as far as they can be followed."""
        found: dict[bytes, tuple[int, int, int]] = {}
        offset = pack.HEADER_BYTES
        while offset + record.HEAD_BYTES <= self.size:
            try:
                head = self._head_at(offset)
            except errors.IntegrityError:
                break
            if head.type != record.INDEX:
                found.setdefault(head.id, (offset, head.stored, head.type))
            offset += record.HEAD_BYTES + head.stored
        return found

    def entries(self) -> dict[bytes, tuple[int, int, int]]:
        """id -> (offset, stored length, type). From the records themselves when the index is damaged."""
        if self._index is None:
            try:
                self._index = self._indexed()
            except (OSError, errors.IntegrityError) as error:
                self.index_problem = str(error)
                self._index = self._walked()
        return self._index

    def envelope(self, id: bytes | None = None) -> manifest.Envelope:
        """The manifest this pack was written for; `id` is the one the journal names."""
        for found, (offset, _stored, type) in self.entries().items():
            if type == record.MANIFEST and (id is None or found == id):
                envelope = manifest.from_bytes(self.read(offset, found)[1])
                if envelope.pack != self.name:
                    raise errors.IntegrityError(f"pack {self.name} holds the manifest of pack {envelope.pack}")
                return envelope
        raise errors.IntegrityError(f"pack {self.name} holds no such manifest")

    def survey(self) -> Survey:
        """Every byte looked at: which records are whole, and what is wrong with the rest."""
        found = Survey(self.size)
        try:
            self._check_header(found)
            records = sorted(self.entries().items(), key=lambda entry: entry[1][0])
            if self.index_problem:
                found.problems.append((self.index_problem, None))
            end = pack.HEADER_BYTES
            for id, entry in records:
                gapless, end = entry[0] == end, entry[0] + record.HEAD_BYTES + entry[1]
                self._check_record(found, id, entry, gapless)
            if not self.index_problem and end != self._footer()[0]:
                found.problems.append((f"pack {self.name}: its index does not list its records", None))
        except OSError as error:
            found.problems.append((f"pack {self.name}: {error.strerror}", None))
        return found

    def check(self) -> list[str]:
        """What is wrong with this pack, each of its bytes looked at; nothing is what one wants."""
        return [text for text, _id in self.survey().problems]

    def _check_header(self, found: Survey) -> None:
        raw = durable.read_exactly(self._fd, pack.HEADER_BYTES, 0)
        body, tag = raw[: pack.HEADER.size], raw[pack.HEADER.size :]
        if not seal.same(self._seal.tag("pack header", body), tag) or pack.HEADER.unpack(body)[3].hex() != self.name:
            found.problems.append((f"pack {self.name}: its header is damaged", None))

    def _check_record(self, found: Survey, id: bytes, entry: tuple[int, int, int], gapless: bool) -> None:
        try:
            head, data = self.read(entry[0], id)
            if not gapless or (head.stored, head.type) != entry[1:]:
                raise errors.IntegrityError(f"pack {self.name}, offset {entry[0]}: not as the index lists it")
        except errors.IntegrityError as error:
            found.problems.append((str(error), id))
        else:
            found.whole[id] = entry
            found.lengths[id] = len(data)


class PackReader:
    """The chunks of one restore point, straight from the packs: a `model.ChunkSource` that needs no journal."""

    def __init__(self, home: Home, plan: RestorePlan) -> None:
        self._home = home
        self._plan = plan
        self._open: OrderedDict[str, PackFile] = OrderedDict()

    def get(self, chunk: bytes) -> bytes:
        """The chunk's decoded bytes. Raises `IntegrityError` when they are not what was written."""
        try:
            name, offset, stored = self._plan.chunks[chunk]
        except KeyError:
            raise errors.IntegrityError(f"chunk {chunk.hex()[:16]} is not part of this restore point") from None
        head, data = self._file(name).read(offset, chunk)
        if head.stored != stored:
            raise errors.IntegrityError(f"pack {name}, offset {offset}: another length than planned")
        return data

    def _file(self, name: str) -> PackFile:
        file = self._open.get(name)
        if file is None:
            if len(self._open) >= _OPEN_PACKS_MAX:
                self._open.popitem(last=False)[1].close()
            file = self._open[name] = PackFile(self._home, name)
        self._open.move_to_end(name)
        return file

    def close(self) -> None:
        """Let go of the packs."""
        while self._open:
            self._open.popitem()[1].close()


def survey(home: Home, name: str) -> Survey:
    """The survey of a pack that may be missing: then its size is -1. One with damage is looked at twice: a read may
    fail once, and damage counts for good.
    """
    found = _surveyed(home, name)
    return _surveyed(home, name) if found.problems else found


def _surveyed(home: Home, name: str) -> Survey:
    try:
        with PackFile(home, name) as file:
            return file.survey()
    except errors.IntegrityError as error:
        return Survey(-1, str(error))


def all_packs(home: Home) -> list[str]:
    """The ids of every pack file there is, whoever refers to it."""
    found: list[str] = []
    with home.held("packs") as packs:
        for group in sorted(disk.listdir(packs)):
            if len(group) == 2:
                with home.held("packs", group) as directory:
                    found += [name for name in sorted(disk.listdir(directory)) if is_id(name) and name[:2] == group]
    return found
