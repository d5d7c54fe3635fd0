"""The content of files the program has written, as it was at the commit point, while the program goes on changing them.

The child reads each file after the fork. A file that is the same before and after reading, by inode, size and time, is
what it was; one that has only grown is read up to its old size. One that was opened anew for changing has left a copy,
noted before the change; what may be changed in place through a descriptor opened before was read at the commit point
where it is small, and otherwise cannot be known, which is said.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping

import blake3

from forkpoint import databases, limits
from forkpoint.model import ChunkSink, FileState, Pod, Tombstone, Touch, WrittenFile

_CHANGED = "it was changed in place while the restore point was being written"


_SECOND_NS = 1_000_000_000


class _Changed(Exception):
    """The file is no longer what it was at the commit point."""


class FileWriter:
    """Stores files one after another; what it made is in `files`, `pods`, `lost` and `stored`."""

    def __init__(
        self,
        sink: ChunkSink,
        *,
        opened: Mapping[str, bool],
        held: Mapping[str, bytes],
        databases: Mapping[str, str],
        committed_ns: int,
        stored: Mapping[str, tuple[FileState, tuple[bytes, ...]]],
        touched: Callable[[], Mapping[str, Touch]],
        open_kept: Callable[[Touch], int],
        max_bytes: int,
    ) -> None:
        """`opened`: files open for writing, and whether they are only added to. `held`: what files held that were read
        at the commit point, `databases` the marks of those seen to be such. `committed_ns`: that point by the wall
        clock. `stored`: chunks by path and state, from the commit before. `touched()`: what the program has touched
        since the commit point, read anew; `open_kept`: a
        descriptor of what a touch kept. `max_bytes`: content of larger files is not kept.
        """
        self.files: list[WrittenFile] = []
        self.pods: list[Pod] = []
        self.lost: list[Tombstone] = []
        self.stored: dict[str, tuple[FileState, tuple[bytes, ...]]] = {}
        self._sink = sink
        self._opened = opened
        self._held = held
        self._databases = databases
        self._committed_ns = committed_ns
        self._before = stored
        self._touched = touched
        self._open_kept = open_kept
        self._max_bytes = max_bytes

    def add(self, path: str, state: FileState) -> None:
        """Store what was at `path`. Never raises for a file: what cannot be read is listed in `lost`."""
        if state.kind == "other" or databases.belongs_to_one(path):
            return
        if state.kind != "file":
            self.files.append(WrittenFile(path, state.kind, 0, state.mode, None, "", "", state.target, state.mtime_ns))
            return
        if path in self._databases or databases.is_database(path):
            self._add_database(path, state)
            return
        if state.size > self._max_bytes:
            self._known_by_tail(path, state)
            return
        found = self._before.get(path)
        if found is not None and found[0] == state and self._sink.holds(found[1]):
            self._append(path, state, found[1])
            return
        try:
            chunks = self._chunks(path, state)
        except (_Changed, OSError) as problem:
            reason = _CHANGED if isinstance(problem, _Changed) else f"it cannot be read: {problem.strerror}"
            self.files.append(WrittenFile(path, "file", state.size, state.mode, None, "", reason))
            self.lost.append(Tombstone(path, "file", reason))
            return
        self._append(path, state, chunks)

    def _add_database(self, path: str, state: FileState) -> None:
        """What it and its WAL held, where they were read at the commit point; the mark it had by then is its digest."""
        digest = self._databases.get(path, "")
        if path not in self._held:
            self.files.append(WrittenFile(path, "database", state.size, state.mode, None, digest, ""))
            return
        for name in (path, f"{path}-wal"):
            if (held := self._held.get(name)) is not None:
                pod = Pod(f"file/{len(self.pods)}", "buffer", len(held), self._held_chunks(held))
                self.pods.append(pod)
                self.files.append(WrittenFile(name, "database", len(held), state.mode, pod.name, digest, ""))

    def _held_chunks(self, held: bytes) -> tuple[bytes, ...]:
        pieces = range(0, len(held), limits.CHUNK_BYTES)
        return tuple(self._sink.put(held[at : at + limits.CHUNK_BYTES], "buffer") for at in pieces)

    def add_input(self, path: str, size: int) -> None:
        """Note a file the program was reading, so that another one in its place is not read on."""
        with contextlib.suppress(OSError):  # one that is gone already says nothing
            self.files.append(WrittenFile(path, "input", size, 0, None, tail_digest(path, size), ""))

    def _append(self, path: str, state: FileState, chunks: tuple[bytes, ...]) -> None:
        pod = Pod(f"file/{len(self.pods)}", "buffer", state.size, chunks)
        self.pods.append(pod)
        self.files.append(WrittenFile(path, "file", state.size, state.mode, pod.name, "", "", mtime_ns=state.mtime_ns))
        if (
            state.mtime_ns < self._committed_ns - limits.FILE_TIME_STEP_NS
        ):  # or else a change to come could leave the same state
            self.stored[path] = (state, chunks)

    def _known_by_tail(self, path: str, state: FileState) -> None:
        """Too large to keep: enough to cut it again if it has only grown."""
        reason = f"{state.size:,} bytes, more than --max-file-bytes {self._max_bytes:,}"
        try:
            digest = tail_digest(path, state.size)
        except OSError:
            digest = ""
        self.files.append(
            WrittenFile(path, "file", state.size, state.mode, None, digest, reason, mtime_ns=state.mtime_ns)
        )

    def _chunks(self, path: str, state: FileState) -> tuple[bytes, ...]:
        """The content's chunks. Raises _Changed where it cannot be known."""
        if (held := self._held.get(path)) is not None:
            return self._held_chunks(held)
        chunks, now = self._read_in_place(path, state)
        if now == state and chunks is not None and state.mtime_ns < self._committed_ns - _SECOND_NS:
            return chunks
        touch = self._touched().get(path)
        if touch is not None and touch.kept is not None:
            fd = self._open_kept(touch)
            try:
                chunks, now = self._read(fd, state.size), state
            finally:
                os.close(fd)
        grown = now.inode == state.inode and (self._opened.get(path, False) or touch is not None)
        if chunks is not None and (now == state or grown):
            return chunks  # a touch that kept nothing was one for appending
        raise _Changed

    def _read_in_place(self, path: str, state: FileState) -> tuple[tuple[bytes, ...] | None, FileState]:
        """What is at `path`, as far as the file reached at the commit point, and what the file is after reading."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None, FileState("absent")
        try:
            chunks = self._read(fd, state.size)
            facts = os.fstat(fd)
            return chunks, FileState("file", facts.st_size, state.mode, facts.st_mtime_ns, facts.st_ino)
        finally:
            os.close(fd)

    def _read(self, fd: int, size: int) -> tuple[bytes, ...] | None:
        """The chunks of the first `size` bytes; None when there are fewer."""
        chunks: list[bytes] = []
        while size:
            data = os.read(fd, min(size, limits.CHUNK_BYTES))  # of a regular file: short only at its end
            if len(data) < min(size, limits.CHUNK_BYTES):
                return None
            chunks.append(self._sink.put(data, "buffer"))
            size -= len(data)
        return tuple(chunks)


def tail_digest(path: str, size: int) -> str:
    """BLAKE3, as hex, of the last `limits.TAIL_BYTES` bytes of the first `size` bytes of a file. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        start = max(size - limits.TAIL_BYTES, 0)
        return str(blake3.blake3(os.pread(fd, size - start, start)).hexdigest())
    finally:
        os.close(fd)
