"""What a program does to files, said before it happens: `leases/<run>.files`.

One line each, appended with a single write:

    64 hex digits   tag: keyed BLAKE3 over "files", the run, the tag of the line before ("" at first) and the JSON
    a space, JSON, newline

The JSON is a touch, `{"path", "change", "was": {"kind", "size", "mode", "mtime_ns", "inode"}, "kept", "digest"}`, or a
mark, `{"point": id}`, written at the commit point of that restore point. `kept` names `leases/<run>.kept.<n>`, a copy
of (or another name for) what was at the path.

Lines survive the death of every process, which is what they are for; they are not forced to disk one by one, since that
would cost the program more than its own writes: after a power failure the last ones may be missing, and files first
changed in those seconds stay as they are found. A torn last line is dropped; any other line whose tag is wrong makes
the whole log unusable, since it says what to do to the user's files.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

import blake3

from forkpoint.errors import IntegrityError
from forkpoint.journal import durable, seal
from forkpoint.journal.home import Home
from forkpoint.model import FileState, Touch

_BYTES_MAX = 1 << 30
_COPY_BYTES = 1 << 20


class FileLog:
    """Writes the log of one run, in the program's process. Opens its files anew each time and holds no descriptor."""

    def __init__(self, home: Home, run: str) -> None:
        """Go on behind the last sound line. Raises IntegrityError for a log that cannot be believed."""
        self._home = home
        self._run = run
        self._name = f"{run}.files"
        lines, length = _read(home, run)
        self._last = lines[-1][0] if lines else ""
        self._number = sum("path" in fields for _, fields in lines)
        self._made = False
        if lines:
            with home.held("leases") as directory:
                fd = durable.open_beneath(directory, (self._name,), os.O_WRONLY)
                try:
                    os.ftruncate(fd, length)
                finally:
                    os.close(fd)

    def touch(self, touch: Touch) -> None:
        """Note what is about to be changed. Once this returns, it is known whatever becomes of this process."""
        was = touch.was
        self._append(
            {
                "path": touch.path,
                "change": touch.change,
                "was": {
                    "kind": was.kind,
                    "size": was.size,
                    "mode": was.mode,
                    "mtime_ns": was.mtime_ns,
                    "inode": was.inode,
                },
                "kept": touch.kept,
                "digest": touch.digest,
            }
        )

    def mark(self, point: str) -> None:
        """What is noted from here on happens after the commit point of `point`."""
        self._append({"point": point})

    def _append(self, fields: dict[str, Any]) -> None:
        body = json.dumps(fields, separators=(",", ":"))
        tag = self._home.seal.tag("files", self._run, self._last, body).hex()
        with self._home.held("leases") as directory:
            fd = durable.open_beneath(directory, (self._name,), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                durable.write_all(fd, f"{tag} {body}\n".encode())
            finally:
                os.close(fd)
        self._last = tag

    def keep(self, path: str, *, replaced: bool) -> tuple[str, str]:
        """Keep the file at `path`: (name, digest). One that is `replaced` as a whole only needs another name.

        Raises OSError when it cannot be read or there is no room.
        """
        self._number += 1
        name = f"{self._run}.kept.{self._number}"
        with self._home.held("leases") as directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            try:
                if replaced and _linked(path, directory, name):
                    return name, _digest(path)
                return name, _copy(path, directory, name)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=directory)
                raise


def _linked(path: str, directory: int, name: str) -> bool:
    """Another name for the same file, where both lie on one filesystem.

    Not for somebody else's file, nor for one that has more names already, under which it may still be changed.
    """
    try:
        facts = os.lstat(path)
        if facts.st_uid != os.geteuid() or facts.st_nlink != 1:
            return False
        os.link(path, name, dst_dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return True


def _chunks(fd: int) -> Iterator[bytes]:
    while data := os.read(fd, _COPY_BYTES):
        yield data


def _digest(path: str) -> str:
    """BLAKE3 of a whole file, as hex."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        hasher = blake3.blake3()
        for data in _chunks(fd):
            hasher.update(data)
        return str(hasher.hexdigest())
    finally:
        os.close(fd)


def _copy(path: str, directory: int, name: str) -> str:
    """Copy a file into the store; its digest."""
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = durable.create_file(directory, name)
        try:
            hasher = blake3.blake3()
            for data in _chunks(source):
                hasher.update(data)
                durable.write_all(target, data)
            return str(hasher.hexdigest())
        finally:
            os.close(target)
    finally:
        os.close(source)


def _read(home: Home, run: str) -> tuple[list[tuple[str, dict[str, Any]]], int]:
    """(tag, fields) of every sound line, and how many bytes they take."""
    with home.held("leases") as directory:
        try:
            data = durable.read_file(directory, f"{run}.files", _BYTES_MAX)
        except FileNotFoundError:
            return [], 0
        except (OSError, ValueError) as problem:
            raise IntegrityError(f"the log of changed files of run {run[:8]} cannot be read: {problem}") from None
    *lines, torn = data.split(b"\n")
    found: list[tuple[str, dict[str, Any]]] = []
    last = ""
    for number, line in enumerate(lines, 1):
        tag, _, body = line.decode("ascii", "replace").partition(" ")
        if not seal.same(home.seal.tag("files", run, last, body).hex().encode(), tag.encode("ascii", "replace")):
            raise IntegrityError(f"the log of changed files of run {run[:8]} is damaged in line {number}")
        last = tag
        found.append((tag, json.loads(body)))
    return found, len(data) - len(torn)


def touches(home: Home, run: str, *, since: str | None = None) -> list[Touch]:
    """What the run has touched, in order; with `since`, only after the last mark of that restore point.

    Raises IntegrityError when the log is damaged.
    """
    found: list[Touch] = []
    for _, fields in _read(home, run)[0]:
        if "path" in fields:
            found.append(Touch(**{**fields, "was": FileState(**fields["was"])}))
        elif fields.get("point") == since:
            found.clear()
    return found


def open_kept(home: Home, touch: Touch) -> int:
    """A descriptor of the copy a touch speaks of. Raises OSError when it is gone, IntegrityError when it is altered."""
    if touch.kept is None:
        raise FileNotFoundError(f"nothing was kept of {touch.path}")
    with home.held("leases") as directory:
        fd = durable.open_beneath(directory, (touch.kept,), os.O_RDONLY | os.O_NONBLOCK)
    try:
        hasher = blake3.blake3()
        if stat.S_ISREG(os.fstat(fd).st_mode):
            for data in _chunks(fd):
                hasher.update(data)
        if hasher.hexdigest() != touch.digest:
            raise IntegrityError(f"the copy kept of {touch.path} is not what was kept")
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd
