"""A disk that forgets, tears and refuses by a seed, under the store's seam (forkpoint/journal/disk.py).

The files are real ones in a folder: what processes see. Beside them stands what is certain: of each file the bytes that
were synced and what was written since, of each directory the names that were synced and what was done to them since.
`cut` makes the folder one that a power failure may leave: all that is certain, and of the rest whatever the seed says.

- Of what was written since, each write or each sector of 512 bytes is there or not; a file may have grown without them.
- Of what was done to names, each directory has it up to some point; a rename is in both its directories or in none. No
  directory says anything of another: real filesystems keep one journal and lose less. As on all of them, the sync of
  a directory makes its own name certain too; that of a file does not.
- A sync that fails decides there and then what reached the disk. The rest is forgotten, though memory still has it, and
  the next sync says nothing of it (as Linux does).

A process is what happens between `begin` and `end`. It may die at any of its operations: from there on nothing that it
does reaches the disk, neither its clean-up nor SQLite's, while the kernel drops its locks. It may be refused any one.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

SECTOR = 512
_NEEDS_NO_ROOM = ("sync", "truncate", "SQLite cuts")

Key = tuple[int, int]
"""(st_dev, st_ino) of what the folder holds."""


class Died(BaseException):
    """The process was killed here. Nothing catches it, and what its clean-up does no longer counts."""


class Node:
    """A file: the bytes that are certain, and what was done since: (offset, bytes), or (size, None) for a new size."""

    def __init__(self, content: bytes = b"") -> None:
        self.certain = content
        self.since: list[tuple[int, bytes | None]] = []

    def drawn(self, chance: random.Random) -> bytes:
        """What of it reached the disk."""
        how = chance.choice(["all", "none", "writes", "sectors", "sectors"])
        if how == "none":
            return self.certain
        likely = chance.choice([0.2, 0.5, 0.8, 0.95])
        content = bytearray(self.certain)
        for at, data in self.since:
            if how == "sectors" and data is not None:
                for start, piece in _sectors(at, data):
                    if chance.random() < likely:
                        _put(content, start, piece)
            elif how == "all" or chance.random() < likely:
                _put(content, at, data)
        return bytes(content)

    def settle(self, content: bytes | None = None) -> None:
        """All that was done is certain, or this content is and the rest is forgotten."""
        if content is None:
            whole = bytearray(self.certain)
            for change in self.since:
                _put(whole, *change)
            content = bytes(whole)
        self.certain, self.since = content, []


def _put(content: bytearray, at: int, data: bytes | None) -> None:
    end = at + len(data or b"")
    if data is None:
        del content[at:]
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is not None:
        content[at:end] = data


def _sectors(at: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(data):
        end = start + SECTOR - (at + start) % SECTOR
        yield at + start, data[start:end]
        start = end


Names = dict[Key, dict[str, Key]]
"""Of each directory, what lies in it under which name."""

Renaming = tuple[tuple[Key, str, Key | None], ...]
"""One change of names: (directory, name, what it names from now on)."""


def _apply(names: Names, change: Renaming) -> None:
    for directory, name, target in change:
        if target is None:
            names[directory].pop(name, None)
        else:
            names[directory][name] = target


class SeededDisk:
    """The folder's disk. `steps` counts the operations of the process that change anything."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = str(folder)
        self.chance = chance
        self.nodes: dict[Key, Node] = {}
        self.names: Names = {}
        self.since: list[Renaming] = []
        self.free: int | None = None
        """Bytes that are left; None: as many as one likes."""
        self.steps = 0
        self.dead = False
        self.refused = False
        self._dies_at = 0
        self._refuses: tuple[int, int, int, str] = (0, 0, 0, "")
        self._met = 0
        self._adopt(self.folder)

    def adopt(self) -> None:
        """All that is in the folder is certain, whoever put it there."""
        self.nodes, self.names, self.since = {}, {}, []
        self._adopt(self.folder)

    # ---- one process

    def begin(self, *, dies_at: int = 0, refuses: tuple[int, int, int, str] = (0, 0, 0, "")) -> None:
        """A process that dies at its so manyth operation, or is refused some: (first, how many, errno, how those begin
        that are counted). 0: none.
        """
        self.steps, self.dead, self.refused, self._met = 0, False, False, 0
        self._dies_at, self._refuses = dies_at, refuses

    def end(self) -> None:
        """It is gone: what is still done in its name does nothing."""
        self.dead = True

    def step(self, what: str, *, refusable: bool = True) -> None:
        """An operation that changes something. Raises `Died`, or OSError where it is refused."""
        if self.dead:
            raise Died(what)
        self.steps += 1
        if self.steps == self._dies_at:
            self.dead = True
            raise Died(what)
        first, count, code, only = self._refuses
        if code == errno.ENOSPC and what.startswith(_NEEDS_NO_ROOM):
            return
        if refusable and what.startswith(only):
            self._met += 1
            if first <= self._met < first + count:
                self.refused = True
                raise OSError(code, f"refused: {what}")

    def take(self, size: int) -> None:
        """Room for so many bytes more. Raises OSError."""
        if self.free is not None and size > 0:
            if size > self.free:
                raise OSError(errno.ENOSPC, "the disk is full")
            self.free -= size

    # ---- what is where

    def _adopt(self, path: str) -> None:
        """Everything in this directory is certain."""
        here = self.names.setdefault(key_of(os.stat(path)), {})
        for entry in os.scandir(path):
            here[entry.name] = key_of(entry.stat(follow_symlinks=False))
            if entry.is_dir(follow_symlinks=False):
                self._adopt(entry.path)
            else:
                self.nodes[here[entry.name]] = Node(Path(entry.path).read_bytes())

    def directory(self, fd: int | None, path: str) -> tuple[Key, str] | None:
        """(the directory, the name in it) that a call means; None for one that is not in the folder."""
        head, name = os.path.split(path)
        facts = os.stat(fd) if fd is not None and not head else os.stat(head or ".", dir_fd=fd)
        return (key_of(facts), name) if key_of(facts) in self.names else None

    def node(self, fd: int) -> Node | None:
        return self.nodes.get(key_of(os.fstat(fd)))

    def changed(self, *change: tuple[Key, str, Key | None]) -> None:
        """These names, all at once or none of them."""
        self.since.append(change)

    def made(self, where: tuple[Key, str], key: Key) -> None:
        """A new, empty file."""
        self.nodes[key] = Node()
        self.changed((*where, key))

    def sync(self, node: Node) -> None:
        """Its bytes are certain. Raises OSError where that is refused, and then some of them are lost."""
        try:
            self.step("sync")
        except OSError:
            node.settle(node.drawn(self.chance))
            raise
        node.settle()

    def sync_names(self, directory: Key) -> None:
        """The names in a directory are certain, and its own; so is what else their changes did, and came after."""
        self.step("sync of names")
        needed, late = {directory}, []
        certain = []
        for change in reversed(self.since):
            touched = {where for where, _, _ in change}
            if needed & touched or any(target in needed for _, _, target in change):
                needed |= touched
                certain.append(change)
            else:
                late.append(change)
        for change in reversed(certain):
            _apply(self.names, change)
        self.since = late[::-1]

    # ---- the power fails

    def cut(self) -> None:
        """The folder becomes what is left; all of that is certain. No process may live."""
        stopped: set[Key] = set()
        likely = self.chance.choice([0.0, 0.5, 0.8, 0.95, 1.0])
        for change in self.since:
            touched = {where for where, _, _ in change}
            if stopped & touched or self.chance.random() >= likely:
                stopped |= touched
            else:
                _apply(self.names, change)
        contents = {key: node.drawn(self.chance) for key, node in self.nodes.items()}
        names, self.names, self.nodes, self.since = self.names, {}, {}, []
        self._lay(self.folder, names, contents, {})
        self._adopt(self.folder)

    def _lay(self, path: str, names: Names, contents: dict[Key, bytes], laid: dict[Key, str]) -> None:
        """Make the directory at `path` what it is on the disk."""
        should = names[key_of(os.stat(path))]
        for entry in list(os.scandir(path)):
            directory = entry.is_dir(follow_symlinks=False)
            if not directory and entry.name.endswith("-shm"):
                self._shared_memory(entry.path)
            elif not directory:
                os.unlink(entry.path)
            elif should.get(entry.name) != key_of(entry.stat(follow_symlinks=False)):
                shutil.rmtree(entry.path)
        for name, key in should.items():
            place = os.path.join(path, name)
            if key in names:
                if not os.path.lexists(place):
                    raise AssertionError(f"a directory that is certain is not there: {place}")
                self._lay(place, names, contents, laid)
            elif key in laid:
                os.link(laid[key], place)
            else:
                laid[key] = place
                Path(place).write_bytes(contents[key])
                os.chmod(place, 0o600)

    def _shared_memory(self, path: str) -> None:
        """The WAL's index is never synced, and SQLite makes it anew whatever is in it."""
        how = self.chance.choice(["gone", "zeroes", "as it was"])
        if how == "gone":
            os.unlink(path)
        elif how == "zeroes":
            Path(path).write_bytes(bytes(os.stat(path).st_size))


def key_of(facts: os.stat_result) -> Key:
    return facts.st_dev, facts.st_ino
