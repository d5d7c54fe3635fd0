"""The chunks the last commit of a run has, and in which pack: what the next child need not write again.

`leases/<run>.known`, little-endian:

    offset size
         0    8  magic "FKPKNOWN"
         8   32  the restore point whose chunks these are, hex
        40    4  number of packs P
        44    4  number of chunks C
        48 32*P  pack ids, hex
      then 36*C  chunk id, number of its pack
      then   32  tag: keyed BLAKE3 over "known", the run and all bytes before

A cache and no more: the child writes the next one beside it, the committer renames it into place once its commit
stands, and whatever is missing, damaged or of another restore point than the one the program stands on is ignored,
which makes the next commit write everything. The committer checks that the packs are live whatever this file said.
Retention never forgets the restore point named here while the run's lease is held.
"""

from __future__ import annotations

import contextlib
import struct

from forkpoint.journal import disk, durable, seal
from forkpoint.journal.home import Home, is_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MAGIC = b"FKPKNOWN"
_HEAD = struct.Struct("<8s32sII")
_ROW = struct.Struct("<32sI")
_BYTES_MAX = 256 << 20
"""Of seven million chunks, nearly a terabyte. It is read whole before its tag can be checked."""
assert _HEAD.size == 48 and _ROW.size == 36


def write(home: Home, run: str, name: str, base: str, chunks: Mapping[bytes, str]) -> None:
    """Write the file `name`; not durably, a lost or torn one is ignored."""
    packs = sorted(set(chunks.values()))
    number = {pack: place for place, pack in enumerate(packs)}
    head = _HEAD.pack(_MAGIC, base.encode(), len(packs), len(chunks))
    rows = b"".join([_ROW.pack(chunk, number[pack]) for chunk, pack in chunks.items()])
    body = head + "".join(packs).encode() + rows
    with home.held("leases") as directory:
        with contextlib.suppress(FileNotFoundError):
            disk.unlink(name, dir_fd=directory)
        fd = durable.create_file(directory, name)
        try:
            durable.write_all(fd, body + home.seal.tag("known", run, body))
        finally:
            disk.close(fd)


def _read(home: Home, run: str) -> bytes:
    with home.held("leases") as directory:
        try:
            data = durable.read_file(directory, f"{run}.known", _BYTES_MAX)
        except (OSError, ValueError):
            return b""
    body, tag = data[: -seal.TAG_BYTES], data[-seal.TAG_BYTES :]
    sound = len(body) >= _HEAD.size and seal.same(home.seal.tag("known", run, body), tag)
    return body if sound else b""


def base(home: Home, run: str) -> str | None:
    """The restore point the next commit of this run may build on, or None."""
    body = _read(home, run)
    return _HEAD.unpack_from(body)[1].decode("ascii", "replace") if body else None


def load(home: Home, run: str, parent: str | None) -> dict[bytes, str]:
    """chunk id -> pack, as of the restore point `parent` the program stands on; empty when another is noted."""
    body = _read(home, run)
    if not body or parent is None:
        return {}
    _magic, noted, pack_count, chunk_count = _HEAD.unpack_from(body)
    rows = _HEAD.size + 32 * pack_count
    if noted != parent.encode() or len(body) != rows + _ROW.size * chunk_count:
        return {}
    names = body[_HEAD.size : rows].decode("ascii", "replace")
    packs = [names[at : at + 32] for at in range(0, len(names), 32)]
    return {chunk: packs[number] for chunk, number in _ROW.iter_unpack(body[rows:]) if number < len(packs)}


def next_name(run: str, point: str) -> str:
    """Where the child of `point` leaves the file for the committer to put in place."""
    return f"{run}.known.{point}"


def advance(home: Home, run: str, point: str) -> None:
    """The commit of `point` stands: its chunks are the known ones now."""
    with home.held("leases") as directory, contextlib.suppress(FileNotFoundError):
        disk.rename(next_name(run, point), f"{run}.known", src_dir_fd=directory, dst_dir_fd=directory)


def drop(home: Home, run: str, point: str | None = None) -> None:
    """Forget what was known, so that the next commit writes everything."""
    with home.held("leases") as directory:
        for name in (f"{run}.known", next_name(run, point) if point else None):
            if name is not None:
                with contextlib.suppress(FileNotFoundError):
                    disk.unlink(name, dir_fd=directory)


def reset(home: Home, run: str, base: str, chunks: Mapping[bytes, str]) -> None:
    """A program was restored from `base`, whose chunks were verified: its next commit builds on them."""
    if not is_id(base):
        raise ValueError(f"not a restore point id: {base!r}")
    write(home, run, next_name(run, base), base, chunks)
    advance(home, run, base)
