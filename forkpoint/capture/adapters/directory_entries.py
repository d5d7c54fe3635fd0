"""Entries that `os.scandir` gave, as `Path.rglob` and sorting a directory keep them: looked for again, by their names.

What they have remembered of a file (`stat()` asks once) is asked anew, of the file as it was put back. Those of a
directory that was given as a descriptor go on asking through that number.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Final

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_listed: dict[str | bytes, dict[str | bytes, Any]] = {}
"""Directories that were looked through while this restore point is rebuilt."""


_DESCRIPTOR_AT: Final = 64
"""Where an entry has the descriptor of its directory, an int (Modules/posixmodule.c, DirEntry.dir_fd)."""


class Remembered:
    """What an entry said that is in its directory no more, or whose directory (`descriptor`) nobody has opened yet."""

    def __init__(
        self, name: Any, path: Any, inode: int, kind: tuple[bool, bool, bool], descriptor: int | None = None
    ) -> None:
        self.name, self.path = name, path
        self._descriptor = descriptor
        self._inode = inode
        self._is_dir, self._is_file, self._is_symlink = kind

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def inode(self) -> int:
        """Its number then."""
        return self._inode

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it was, or led to, a directory."""
        return self._is_dir and (follow_symlinks or not self._is_symlink)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it was, or led to, a file."""
        return self._is_file and (follow_symlinks or not self._is_symlink)

    def is_symlink(self) -> bool:
        """Whether it was a link."""
        return self._is_symlink

    def is_junction(self) -> bool:
        """Never on Linux."""
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Of what is there now. Raises FileNotFoundError, as an entry does whose file has gone."""
        return os.stat(self.path, dir_fd=self._descriptor, follow_symlinks=follow_symlinks)


def reduce_entry(entry: Any, context: ReduceContext) -> Any:
    """By its path; with what can be asked without its file."""
    kind = entry.is_dir(), entry.is_file(), entry.is_symlink()
    said = entry.name, entry.path, entry.inode(), kind
    return (Remembered, (*said, _descriptor(entry))) if entry.path == entry.name else (make_entry, said)


def _descriptor(entry: Any) -> int:
    return int.from_bytes(_native.memory_read(id(entry) + _DESCRIPTOR_AT, 4), sys.byteorder, signed=True)


def make_entry(name: Any, path: Any, inode: int, kind: tuple[bool, bool, bool]) -> Any:
    """The entry of that name in its directory; what it said, where there is none."""
    folder = path[: len(path) - len(name)]
    if folder not in _listed:
        _listed[folder] = {}
        try:
            with os.scandir(folder) as entries:
                _listed[folder] = {entry.name: entry for entry in entries}
        except OSError:
            pass
    found = _listed[folder].get(name)
    return found if found is not None and found.path == path else Remembered(name, path, inode, kind)


class _Entries(Quiet):
    name = "directory_entries"
    module = "os"

    def reducers(self) -> Mapping[type, Reducer]:
        return {os.DirEntry: reduce_entry}

    def restore(self, state: None) -> None:
        _listed.clear()


ADAPTER = _Entries()
