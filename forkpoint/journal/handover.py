"""What a child hands to its committer, across an exec: marshalled, in a memfd, never in argv or environ.

marshal, because it is built in and the committer must start fast; both ends are the same interpreter and the memfd is
this process's own.
"""

from __future__ import annotations

import marshal
import os

from forkpoint.journal.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class PackInfo:
    """A durable pack that no commit refers to yet. `packs` are all it needs, itself included."""

    __slots__ = ("bytes_new", "manifest_id", "pack", "packs", "point", "run")

    def __init__(
        self, pack: str, point: str, run: str, bytes_new: int, manifest_id: bytes, packs: tuple[str, ...]
    ) -> None:
        self.pack = pack
        self.point = point
        self.run = run
        self.bytes_new = bytes_new
        self.manifest_id = manifest_id
        self.packs = packs

    @property
    def path(self) -> str:
        """Relative to the store."""
        return f"packs/{self.pack[:2]}/{self.pack}"


def home_fields(home: Home) -> dict[str, Any]:
    """A `Home` as plain values, the key among them."""
    return {
        "path": home.path,
        "store": home.store,
        "key": home.key,
        "anchor_path": home.anchor_path,
        "identity": home.identity,
        "encrypted": home.encrypted,
    }


def pack_fields(pack: PackInfo) -> dict[str, Any]:
    """A `PackInfo` as plain values."""
    return {name: getattr(pack, name) for name in PackInfo.__slots__}


def sheet() -> int:
    """An inheritable memfd for a request."""
    return os.memfd_create("forkpoint-commit", 0)


def fill(fd: int, request: Mapping[str, Any]) -> None:
    """Put the request there."""
    os.write(fd, marshal.dumps(dict(request)))


def offer(request: Mapping[str, Any]) -> int:
    """An inheritable memfd that holds the request."""
    fd = sheet()
    fill(fd, request)
    return fd


def accept(fd: int) -> dict[str, Any]:
    """The request in a memfd, which is closed."""
    try:
        request: dict[str, Any] = marshal.loads(os.pread(fd, os.fstat(fd).st_size, 0))
    finally:
        os.close(fd)
    return request


def home_from(fields: Mapping[str, Any]) -> Home:
    """The reverse of `home_fields`."""
    return Home(**fields)


def pack_from(fields: Mapping[str, Any]) -> PackInfo:
    """The reverse of `pack_fields`."""
    return PackInfo(**fields)
