"""Mapped memory (mmap.mmap): private memory with what it holds, files mapped again at the same place.

Of a mapped file, read-only, the path is enough. What the program may have written is saved and written again: into its
private pages, or through the mapping into the file, as for a numpy memmap.
"""

from __future__ import annotations

import mmap
import os
import re
from typing import Any, Final, NamedTuple

from forkpoint import _native
from forkpoint.encode import tombstones
from forkpoint.encode.reducers import Context, reduces
from forkpoint.moved import located

_ACCESS: Final = {
    "ACCESS_DEFAULT": mmap.ACCESS_DEFAULT,
    "ACCESS_READ": mmap.ACCESS_READ,
    "ACCESS_WRITE": mmap.ACCESS_WRITE,
    "ACCESS_COPY": mmap.ACCESS_COPY,
}
_SHOWN: Final = re.compile(r"access=(\w+), length=(\d+), pos=(\d+), offset=(\d+)>")


class Place(NamedTuple):
    """What the kernel says of the memory: `path` of the file, "" for none; `r`, `w`, `x` and `s` or `p` (mmap(2))."""

    path: str
    permissions: str


_at_commit: list[str] = []


def remember(maps: str) -> None:
    """In the child, if it has other pages in the place of some: what /proc/self/maps said in the program."""
    _at_commit[:] = [maps] if maps else []


def _maps() -> str:
    if _at_commit:
        return _at_commit[0]
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _place(obj: Any) -> Place | None:
    """From /proc/self/maps, by the address with which an mmap object begins (Modules/mmapmodule.c)."""
    start = int.from_bytes(_native.memory_read(id(obj) + object.__basicsize__, 8), "little")
    if _native.is_staged(start):
        return Place("", "rw-p")
    for line in _maps().splitlines():
        span, permissions, _, _, inode, *path = line.split(None, 5)
        low, _, high = span.partition("-")
        if int(low, 16) <= start < int(high, 16):
            named = bool(path) and (inode != "0" or path[0].startswith("/"))
            return Place(path[0] if named else "", permissions)
    return None


def closed(kind: Any) -> Any:
    """A mapping that was closed."""
    made = kind.__new__(kind, -1, 1)
    made.close()
    return made


def _protection(permissions: str) -> int:
    flags = {"r": mmap.PROT_READ, "w": mmap.PROT_WRITE, "x": mmap.PROT_EXEC}
    return sum(flags[letter] for letter in permissions[:3] if letter in flags)


def make(kind: Any, path: str, permissions: str, how: tuple[int, int, int, int], content: Any) -> Any:
    """The mapping again; a tombstone where the file does not let itself be mapped so any more."""
    access, length, position, offset = how
    options: dict[str, Any] = {"access": access}
    if access == mmap.ACCESS_DEFAULT:
        shared = mmap.MAP_SHARED if permissions.endswith("s") else mmap.MAP_PRIVATE
        options = {"flags": shared | (0 if path else mmap.MAP_ANONYMOUS), "prot": _protection(permissions)}
    descriptor = -1
    try:
        if path:
            writes = access == mmap.ACCESS_WRITE or (permissions[1] == "w" and permissions.endswith("s"))
            descriptor = os.open(located(path), (os.O_RDWR if writes else os.O_RDONLY) | os.O_CLOEXEC)
        made = kind.__new__(kind, descriptor, length, offset=offset, **options)
    except (OSError, ValueError) as error:
        return tombstones.make("a mapped file", "mmap.mmap", f"{path} could not be mapped again: {error}")
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    if content is not None:
        with memoryview(made) as view:
            content.readinto(view)
    made.seek(position)
    return made


@reduces(mmap.mmap, subclasses=True)
def _reduce(obj: Any, context: Context) -> Any:
    attributes = _native.instance_dict(obj)[0]
    if obj.closed:
        return closed, (type(obj),)
    shown = _SHOWN.search(mmap.mmap.__repr__(obj))
    place = _place(obj)
    if shown is None or place is None:
        return context.tombstone(obj, "the operating system does not say what it maps")
    access, numbers = _ACCESS[shown[1]], [int(shown[number]) for number in (2, 3, 4)]
    shared = place.permissions.endswith("s")
    if shared and (not place.path or place.path.startswith("/dev/zero")):
        reason = "memory that is shared, so that the program goes on writing to it while it is saved: use MAP_PRIVATE"
        return context.tombstone(obj, reason)
    if place.path.endswith(" (deleted)") or (place.path and not os.path.isfile(place.path)):
        return context.tombstone(obj, "it maps a file that has no path any more")
    if "r" not in place.permissions:
        return context.tombstone(obj, "its memory cannot be read")
    content = context.buffer(memoryview(obj).toreadonly()) if "w" in place.permissions else None
    made = (make, (type(obj), place.path, place.permissions, (access, *numbers), content))
    return (*made, attributes, None, None, fill) if attributes else made


def fill(obj: Any, attributes: dict[str, Any]) -> None:
    """Attributes of a subclass."""
    if type(obj) is not tombstones.Absent:
        _native.instance_fill(obj, attributes)
