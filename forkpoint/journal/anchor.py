"""The head of a store's history, noted outside the store: what a store that lost or un-happened commits cannot fake.

`$XDG_STATE_HOME/forkpoint/<store id>/<inode of the store's directory>`, little-endian:

    offset size
         0    8  magic "FKPANCHR"
         8    8  number of the newest restore point
        16   32  its chain tag
        48   32  its id, hex
        80   32  its pack, hex
       112   32  tag: keyed BLAKE3 over "anchor" and the bytes before

Written after each commit; dying before leaves it behind the journal, which is no contradiction. A copy of the store is
another directory with another inode: it has no anchor yet, and is accepted, saying so.
"""

from __future__ import annotations

import contextlib
import os
import struct

from forkpoint.journal import disk, durable, seal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from forkpoint.journal.home import Home

_MAGIC = b"FKPANCHR"
_BODY = struct.Struct("<8sQ32s32s32s")
_BYTES = _BODY.size + seal.TAG_BYTES
assert _BYTES == 144


class Anchor:
    """Which restore point was the newest when this store was last written to from here."""

    __slots__ = ("number", "pack", "point", "tag")

    def __init__(self, number: int, tag: bytes, point: str, pack: str) -> None:
        self.number = number
        self.tag = tag
        self.point = point
        self.pack = pack


def write(home: Home, anchor: Anchor) -> None:
    """Note the head, atomically and durably."""
    folder, name = os.path.split(home.anchor_path)
    disk.makedirs(folder, mode=0o700, exist_ok=True)
    body = _BODY.pack(_MAGIC, anchor.number, anchor.tag, anchor.point.encode(), anchor.pack.encode())
    parent = disk.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        durable.replace_file(parent, name, body + home.seal.tag("anchor", body))
    finally:
        disk.close(parent)


def begin(home: Home) -> None:
    """Note that a new store is empty: from then on a store without an anchor is a copy."""
    with contextlib.suppress(OSError):
        write(home, Anchor(0, bytes(seal.TAG_BYTES), "0" * 32, "0" * 32))


def read(home: Home) -> Anchor | None:
    """The anchor of this directory; None when there is none here, or none that can be believed."""
    folder, name = os.path.split(home.anchor_path)
    try:
        parent = disk.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            raw = durable.read_file(parent, name, _BYTES)
        finally:
            disk.close(parent)
    except (OSError, ValueError):
        return None
    body, tag = raw[: _BODY.size], raw[_BODY.size :]
    if len(raw) != _BYTES or not seal.same(home.seal.tag("anchor", body), tag):
        return None
    magic, number, chain, point, pack = _BODY.unpack(body)
    if magic != _MAGIC:
        return None
    return Anchor(number, chain, point.decode("ascii", "replace"), pack.decode("ascii", "replace"))


def forget(home: Home) -> None:
    """Accept the store as it is: what was noted no longer counts, durably, or a power failure would bring it back."""
    folder, name = os.path.split(home.anchor_path)
    with contextlib.suppress(FileNotFoundError):
        parent = disk.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            disk.unlink(name, dir_fd=parent)
            disk.fsync(parent)
        finally:
            disk.close(parent)
