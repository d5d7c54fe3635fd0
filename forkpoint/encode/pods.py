"""Pods as the pickler writes them and the unpickler reads them: bytes in, chunk ids out, and back."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pickle import PickleBuffer

from forkpoint.encode.chunker import STREAM_CHUNK_MAX_BYTES, buffer_cuts, stream_cut
from forkpoint.errors import IntegrityError
from forkpoint.model import ChunkSink, ChunkSource, Pod

PREAMBLE = "preamble"
OBJECTS = "objects"


class StreamWriter:
    """The file a pickler writes to: cuts what arrives into content-defined chunks and hands them to the sink.

    Holds at most one chunk and one pickle frame; nothing is complete before `finish()`.
    """

    def __init__(self, name: str, sink: ChunkSink) -> None:
        self._name = name
        self._sink = sink
        self._pending = bytearray()
        self._length = 0
        self._chunks: list[bytes] = []

    @property
    def length(self) -> int:
        """Bytes written so far."""
        return self._length

    def write(self, data: bytes | bytearray | memoryview | PickleBuffer) -> int:
        """Take `data` over; chunks it completes go to the sink."""
        with memoryview(data) as view:
            size = view.nbytes
            self._pending += view
        self._length += size
        if len(self._pending) >= STREAM_CHUNK_MAX_BYTES:
            self._drain()
        return size

    def _drain(self) -> None:
        start = 0
        with memoryview(self._pending) as view:
            while length := stream_cut(view, start):
                self._chunks.append(self._sink.put(view[start : start + length], "objects"))
                start += length
        del self._pending[:start]

    def finish(self) -> Pod:
        """Hand over the rest; the pod with all chunk ids."""
        self._drain()
        if self._pending:
            self._chunks.append(self._sink.put(bytes(self._pending), "objects"))
            self._pending.clear()
        return Pod(self._name, "objects", self._length, tuple(self._chunks))


def write_buffer(name: str, view: memoryview, itemsize: int, sink: ChunkSink) -> Pod:
    """Store a buffer (contiguous, format B) as fixed-size chunks."""
    chunks = tuple(sink.put(view[start:end], "buffer", itemsize) for start, end in buffer_cuts(view.nbytes))
    return Pod(name, "buffer", view.nbytes, chunks)


class StreamReader(io.RawIOBase):
    """A stream pod as a file: one chunk in memory at a time."""

    def __init__(self, pod: Pod, source: ChunkSource) -> None:
        self._source = source
        self._chunks = iter(pod.chunks)
        self._current = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, target: object) -> int:
        """Fill `target` as far as the current chunk goes; 0 at the end of the pod."""
        view = memoryview(target).cast("B")  # type: ignore[arg-type]
        if not self._current:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._current = memoryview(self._source.get(chunk))
        taken = min(len(view), len(self._current))
        view[:taken] = self._current[:taken]
        self._current = self._current[taken:]
        return taken


class PodBuffer:
    """A `model.BufferSource` over a buffer pod."""

    def __init__(self, pod: Pod, source: ChunkSource) -> None:
        self._pod = pod
        self._source = source
        self.nbytes = pod.length

    def readinto(self, target: memoryview) -> None:
        """Copy all bytes into `target`; IntegrityError when the chunks do not add up to the pod's length."""
        view = target.cast("B")
        filled = 0
        for chunk in self._pod.chunks:
            data = self._source.get(chunk)
            view[filled : filled + len(data)] = data
            filled += len(data)
        if filled != self.nbytes or filled != view.nbytes:
            raise IntegrityError(f"pod {self._pod.name} holds {filled} bytes where {view.nbytes} belong")


class InlineBuffer:
    """A `model.BufferSource` over bytes small enough to stay in the stream."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.nbytes = len(data)

    def readinto(self, target: memoryview) -> None:
        """Copy all bytes into `target`."""
        target.cast("B")[:] = self._data


def find(pods: Sequence[Pod], name: str) -> Pod:
    """The pod of that name; IntegrityError when a restore point lacks it."""
    for pod in pods:
        if pod.name == name:
            return pod
    raise IntegrityError(f"the restore point has no pod {name!r}")


def read_all(pod: Pod, source: ChunkSource) -> bytes:
    """The whole content of a small pod."""
    return b"".join(source.get(chunk) for chunk in pod.chunks)


def by_name(pods: Sequence[Pod]) -> Mapping[str, Pod]:
    """Pods as a mapping, for those who look up many."""
    return {pod.name: pod for pod in pods}
