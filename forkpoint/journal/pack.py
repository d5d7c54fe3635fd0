"""One pack: an immutable file of records, written once, durable before anything refers to it.

    header   80 bytes   0  8  magic "FKPTPACK"
                        8  2  version, 1
                       10  6  zero
                       16 16  store id
                       32 16  pack id
                       48 32  tag: keyed BLAKE3 over the store, "pack header" and the bytes before
    records             see record.py: chunks as they came, then the manifest, then the index
    footer   80 bytes   0  8  magic "FKPTDONE"
                        8  8  offset of the index record
                       16  8  size of the whole file
                       24  8  number of index entries
                       32 16  pack id
                       48 32  tag: keyed BLAKE3 over the store, "pack footer" and the bytes before

    index, decoded     16 bytes pack id, then per record but itself 56 bytes:
                        0 32  id
                       32  8  offset of the record
                       40  8  stored length
                       48  1  type
                       49  7  zero

Little-endian, no gaps: header, records and footer fill the file, so every byte lies under a tag or digest. A damaged
footer or index loses nothing: the records can be walked one by one.

Writing: `tmp/<run>.<pack>` (O_EXCL, no links, 0600), fdatasync, rename to `packs/xx/<pack>`, fsync of the directory.
Dying before the rename leaves a file in tmp/, dying after it a pack no restore point names; both are swept by
forgetting once the run's lease is gone.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from forkpoint import faultpoints, model
from forkpoint.journal import codec, disk, durable, known, manifest, pack_place, record, seal
from forkpoint.journal.handover import PackInfo
from forkpoint.journal.home import Home, is_id, new_id
from forkpoint.journal.runs import RunInfo

VERSION = 1
HEADER_MAGIC = b"FKPTPACK"
FOOTER_MAGIC = b"FKPTDONE"
HEADER = struct.Struct("<8sH6x16s16s")
FOOTER = struct.Struct("<8sQQQ16s")
ENTRY = struct.Struct("<32sQQB7x")
HEADER_BYTES = HEADER.size + seal.TAG_BYTES
FOOTER_BYTES = FOOTER.size + seal.TAG_BYTES
assert (HEADER_BYTES, FOOTER_BYTES, ENTRY.size) == (80, 80, 56)

_BUFFER_BYTES = 1 << 20
"""Records are gathered to writes of about this size: below, writing is slow; above, the disk waits for the child. They
are copied together into memory that is used again and again: held one by one until they are written, each chunk of 128
KiB lay in fresh pages, whose faults took longer than the copy and as long as encrypting it.
"""

_WRITEBACK_BYTES = 8 << 20
"""Written so much, the disk is told to begin: it works while the rest is read and hashed; the sync waits for less."""

_ITEMSIZE_MAX = 16
"""Wider items are records, not numbers: shuffling their bytes gains nothing."""


class Records:
    """A pack being written, record by record; `owner` is the run whose lease keeps the unfinished file."""

    def __init__(self, home: Home, owner: str, pack: str) -> None:
        self.pack = pack
        self._home = home
        self._entries: list[tuple[bytes, int, int, int]] = []
        self._encoder = codec.Encoder()
        self._temporary = f"{owner}.{pack}"
        self._gathered = memoryview(bytearray(2 * _BUFFER_BYTES))
        self._gathered_bytes = 0
        self._aside: bytes | memoryview = b""
        self._offset = 0
        self._begun = 0
        with home.held("tmp") as directory:
            self._fd = durable.create_file(directory, self._temporary)
        header = HEADER.pack(HEADER_MAGIC, VERSION, bytes.fromhex(home.store), bytes.fromhex(pack))
        self._append(header + home.seal.tag("pack header", header))

    def _copied(self, data: bytes | bytearray | memoryview) -> bytes | memoryview:
        """A copy of `data` that stays as it is until the next one: where a record of it would lie, behind its head."""
        if self._gathered_bytes + record.HEAD_BYTES + len(data) > len(self._gathered):
            self._flush()
        at = self._gathered_bytes + record.HEAD_BYTES
        if at + len(data) > len(self._gathered):
            self._aside = bytes(data)
        else:
            self._aside = self._gathered[at : at + len(data)]
            self._aside[:] = data
        return self._aside

    def _append(self, head: bytes, data: bytes | bytearray | memoryview = b"") -> None:
        size = len(head) + len(data)
        self._offset += size
        if self._gathered_bytes + size > len(self._gathered):
            self._flush()
            durable.write_all(self._fd, head)
            durable.write_all(self._fd, data)
            return
        at = self._gathered_bytes + len(head)
        self._gathered[self._gathered_bytes : at] = head
        if data is not self._aside:  # else it lies there
            self._gathered[at : at + len(data)] = data
        self._gathered_bytes += size
        if self._gathered_bytes >= _BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        durable.write_all(self._fd, self._gathered[: self._gathered_bytes])
        self._gathered_bytes = 0
        if self._offset - self._begun >= _WRITEBACK_BYTES:
            durable.begin_writeback(self._fd, self._begun, self._offset - self._begun)
            self._begun = self._offset

    def copy(self, id: bytes, type: int, raw: bytes) -> None:
        """A record as it stands in another pack of this store, head and all."""
        self._entries.append((id, self._offset, len(raw) - record.HEAD_BYTES, type))
        self._append(raw)

    def publish(self, meanwhile: Callable[[], object] | None = None) -> int:
        """Index and footer, then durable under its final name, in the place of what has it; the size. `meanwhile` is
        called while the disk works.
        """
        self._append_index()
        self._flush()
        faultpoints.reach("pack.written")
        if meanwhile is not None:
            durable.begin_writeback(self._fd, self._begun, self._offset - self._begun)
            meanwhile()
        disk.fdatasync(self._fd)
        faultpoints.reach("pack.synced")
        self._rename()
        self._close()
        return self._offset

    def _append_record(self, type: int, data: bytes | bytearray | memoryview, digest: bytes, itemsize: int) -> int:
        """Where the record begins."""
        at = self._offset
        head, stored = record.make(self._home.seal, self._encoder, type, data, digest, itemsize)
        if type != record.INDEX:
            self._entries.append((self._home.seal.chunk_id(digest), at, len(stored), type))
        self._append(head, stored)
        return at

    def _append_index(self) -> None:
        entries = self._entries
        body = bytes.fromhex(self.pack) + b"".join([ENTRY.pack(*entry) for entry in entries])
        at = self._append_record(record.INDEX, body, seal.digest(body), 1)
        size = self._offset + FOOTER_BYTES
        footer = FOOTER.pack(FOOTER_MAGIC, at, size, len(entries), bytes.fromhex(self.pack))
        self._append(footer + self._home.seal.tag("pack footer", footer))

    def _rename(self) -> None:
        """Rename into place, then make the name durable."""
        with self._home.held("tmp") as source, self._home.held("packs") as packs:
            durable.make_directory(packs, self.pack[:2])
            target = durable.open_directory(packs, self.pack[:2])
            try:
                disk.rename(self._temporary, self.pack, src_dir_fd=source, dst_dir_fd=target)
                faultpoints.reach("pack.renamed")
                disk.fsync(target)
            finally:
                disk.close(target)
        faultpoints.reach("pack.directory-synced")

    def _close(self) -> None:
        if self._fd >= 0:
            disk.close(self._fd)
            self._fd = -1

    def abandon(self) -> None:
        """Give the unfinished file up."""
        self._close()
        with contextlib.suppress(OSError), self._home.held("tmp") as directory:
            disk.unlink(self._temporary, dir_fd=directory)


class PackWriter(Records):
    """Writes the pack of one restore point, in the child; a `model.ChunkSink`.

    `chunks` (from `known.load`) says which chunks need not be written because a live pack has them. Any exception
    from `put` or `finish` means that there is no pack: the writer is used up, its file removed.
    """

    def __init__(self, home: Home, run: RunInfo, point: str, chunks: Mapping[bytes, str]) -> None:
        if not is_id(run.id) or not is_id(point):
            raise ValueError(f"not ids: run {run.id!r}, restore point {point!r}")
        super().__init__(home, run.id, new_id())
        self._run = run
        self._point = point
        self._known = chunks
        self._placed: dict[bytes, str] = {}

    def put(self, data: bytes | bytearray | memoryview, kind: Literal["objects", "buffer"], itemsize: int = 1) -> bytes:
        """Store one chunk, unless it is stored already, and return its id. At most `RECORD_BYTES_MAX` bytes."""
        data = self._copied(data)  # memory shared with the program moves on between hashing and writing
        digest = seal.digest(data)
        id = self._home.seal.chunk_id(digest)
        if id not in self._placed:
            if (pack := self._known.get(id)) is not None:
                self._placed[id] = pack
            else:
                shuffle = itemsize if kind == "buffer" and 1 <= itemsize <= _ITEMSIZE_MAX else 1
                with self._abandoned_on_error():
                    self._append_record(record.BUFFER if kind == "buffer" else record.OBJECTS, data, digest, shuffle)
                self._placed[id] = self.pack
        return id

    def holds(self, chunks: Sequence[bytes]) -> bool:
        """Whether live packs have all these chunks; then this restore point may name them without their bytes."""
        places = {chunk: self._placed.get(chunk) or self._known.get(chunk) for chunk in chunks}
        if not all(places.values()):
            return False
        self._placed.update((chunk, pack) for chunk, pack in places.items() if pack is not None)
        return True

    def finish(self, point: model.Manifest, meanwhile: Callable[[], object] | None = None) -> PackInfo:
        """Make the pack durable under its final name. Nothing refers to it before the committer has run. `meanwhile` is
        called while the disk works.
        """
        with self._abandoned_on_error():
            if point.point != self._point or point.run != self._run.id:
                raise ValueError("the manifest is of another restore point")
            short, listed, lists = manifest.with_lists(point, lambda ids: self.put(ids, "objects"))
            chunks = (chunk for pod in point.pods for chunk in pod.chunks)
            used = {chunk: self._placed[chunk] for chunk in (*chunks, *lists)}
            packs = tuple(sorted({*used.values(), self.pack}))
            body = manifest.to_bytes(manifest.Envelope(self.pack, packs, self._run, short, listed))
            digest = seal.digest(body)
            self._append_record(record.MANIFEST, body, digest, 1)
            size = self.publish(meanwhile)
        known.write(self._home, self._run.id, known.next_name(self._run.id, self._point), self._point, used)
        return PackInfo(self.pack, self._point, self._run.id, size, self._home.seal.chunk_id(digest), packs)

    @contextlib.contextmanager
    def _abandoned_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Give the pack up: it is removed, under whichever name it has."""
        super().abandon()
        *directories, name = pack_place.parts(self.pack)
        with contextlib.suppress(OSError), self._home.held(*directories) as directory:
            disk.unlink(name, dir_fd=directory)
