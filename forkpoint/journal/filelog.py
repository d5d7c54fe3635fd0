"""What a program does to files, said before it happens, in two logs of one format.

`leases/<run>.files` says of each path what was there before the run first changed it after a restore point: what
restoring needs for paths the restore point does not know. `leases/<run>.now` says what was changed since the last
commit point while its child was at work: what that child needs. It begins anew at each commit point, so that neither
grows with time.

One line each, appended with a single write:

    64 hex digits   tag: keyed BLAKE3 over the log's suffix, the run, the tag of the line before ("" at first), the JSON
    a space, JSON, newline

The JSON is a touch: `{"path", "change", "was", "kept", "digest"}`, where `was` is `{"kind", "size", "mode", "mtime_ns",
"inode", "target"}`. `kept` names a file beside the log, `<log>.<n>`: what was at the path (see kept.py). In an
encrypted store the JSON is hidden (cipher.py), and the tag is over what it is hidden as.

Lines survive the death of every process, which is what they are for; they are not forced to disk one by one, since that
would cost the program more than its own writes: after a power failure the last ones may be missing, and files first
changed in those seconds stay as they are found. A torn last line is dropped; any other line whose tag is wrong makes
the whole log unusable, since it says what to do to the user's files.
"""

from __future__ import annotations

import contextlib
import os
from json import dumps, loads  # by name: the program may put something else into `json`
from typing import Any

from forkpoint.errors import IntegrityError
from forkpoint.journal import disk, durable, kept, seal
from forkpoint.journal.home import Home
from forkpoint.model import FileState, Touch

_BYTES_MAX = 256 << 20

FILES = "files"
NOW = "now"


class _Log:
    """One of the two logs, being written. Opens its files anew each time and holds no descriptor."""

    def __init__(self, home: Home, run: str, suffix: str) -> None:
        """Go on behind the last sound line. Raises IntegrityError for a log that cannot be believed."""
        self._home = home
        self._run = run
        self._suffix = suffix
        self._name = f"{run}.{suffix}"
        lines, length = _read(home, run, suffix)
        self._last = lines[-1][0] if lines else ""
        self._number = len(lines)
        if lines:
            with home.held("leases") as directory:
                fd = durable.open_beneath(directory, (self._name,), os.O_WRONLY)
                try:
                    disk.ftruncate(fd, length)
                finally:
                    disk.close(fd)

    def append(self, touch: Touch) -> None:
        fields = {
            "path": touch.path,
            "change": touch.change,
            "was": touch.was._asdict(),
            "kept": touch.kept,
            "digest": touch.digest,
        }
        body = self._home.seal.hide(self._suffix, dumps(fields, separators=(",", ":")))
        tag = self._home.seal.tag(self._suffix, self._run, self._last, body).hex()
        with self._home.held("leases") as directory:
            fd = durable.open_beneath(directory, (self._name,), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                durable.write_all(fd, f"{tag} {body}\n".encode())
            finally:
                disk.close(fd)
        self._last = tag

    def keep(self, path: str, *, replaced: bool) -> tuple[str, str]:
        self._number += 1
        name = f"{self._name}.{self._number}"
        return name, kept.keep(self._home, path, name, replaced=replaced)

    def begin_anew(self) -> None:
        if self._last or self._number:
            _remove(self._home, self._name)
            self._last, self._number = "", 0


class FileLog:
    """Writes both logs of one run, in the program's process."""

    def __init__(self, home: Home, run: str) -> None:
        """Go on behind the last sound lines. Raises IntegrityError for a log that cannot be believed."""
        self._files = _Log(home, run, FILES)
        _remove(home, f"{run}.{NOW}")  # of a process that is dead, and so is its child
        self._now = _Log(home, run, NOW)

    def touch(self, touch: Touch, *, original: bool) -> None:
        """Note what is about to be changed; `original`: for the first time. Once this returns, it is known whatever
        becomes of this process."""
        (self._files if original else self._now).append(touch)

    def keep(self, path: str, *, replaced: bool, original: bool) -> tuple[str, str]:
        """Keep the file at `path`: (name, digest). One that is `replaced` as a whole only needs another name.

        Raises OSError when it cannot be read or there is no room.
        """
        return (self._files if original else self._now).keep(path, replaced=replaced)

    def begin_anew(self) -> None:
        """A commit point: what the child of the one before needed is over."""
        self._now.begin_anew()


def _read(home: Home, run: str, suffix: str) -> tuple[list[tuple[str, dict[str, Any]]], int]:
    """(tag, fields) of every sound line, and how many bytes they take."""
    words = f"the log of changed files of run {run[:8]}"
    with home.held("leases") as directory:
        try:
            data = durable.read_file(directory, f"{run}.{suffix}", _BYTES_MAX)
        except FileNotFoundError:
            return [], 0
        except (OSError, ValueError) as problem:
            raise IntegrityError(f"{words} cannot be read: {problem}") from None
    *lines, torn = data.split(b"\n")
    found: list[tuple[str, dict[str, Any]]] = []
    last = ""
    for number, line in enumerate(lines, 1):
        tag, _, body = line.decode("ascii", "replace").partition(" ")
        if not seal.same(home.seal.tag(suffix, run, last, body).hex().encode(), tag.encode("ascii", "replace")):
            raise IntegrityError(f"{words} is damaged in line {number}")
        last = tag
        try:
            found.append((tag, dict(loads(home.seal.show(suffix, body)))))
        except (ValueError, TypeError, RecursionError):
            raise IntegrityError(f"{words} cannot be read in line {number}") from None
    return found, len(data) - len(torn)


def touches(home: Home, run: str, suffix: str = FILES) -> list[Touch]:
    """What is in one of the run's logs, in order. Raises IntegrityError when it is damaged."""
    try:
        return [Touch(**{**fields, "was": FileState(**fields["was"])}) for _, fields in _read(home, run, suffix)[0]]
    except (KeyError, TypeError) as problem:
        raise IntegrityError(f"the log of changed files of run {run[:8]} cannot be read: {problem!r}") from None


def length(home: Home, run: str, suffix: str) -> int:
    """How many bytes one of the run's logs has: it only grows, until a commit point begins it anew."""
    with home.held("leases") as directory:
        try:
            return disk.stat(f"{run}.{suffix}", dir_fd=directory, follow_symlinks=False).st_size
        except FileNotFoundError:
            return 0


def forget(home: Home, run: str) -> None:
    """Remove what was noted and kept for a run that nobody will restore any more."""
    for suffix in (FILES, NOW, "contents"):
        _remove(home, f"{run}.{suffix}")


def _remove(home: Home, name: str) -> None:
    """Remove a log and what was kept beside it."""
    with home.held("leases") as directory:
        for found in disk.listdir(directory):
            if found == name or found.startswith(f"{name}."):
                with contextlib.suppress(FileNotFoundError):
                    disk.unlink(found, dir_fd=directory)


def open_kept(home: Home, touch: Touch) -> int:
    """A descriptor of the copy a touch speaks of. Raises OSError when it is gone, IntegrityError when it is altered."""
    if touch.kept is None:
        raise FileNotFoundError(f"nothing was kept of {touch.path}")
    try:
        return kept.open_kept(home, touch.kept, touch.digest)
    except IntegrityError as problem:
        raise IntegrityError(f"the copy kept of {touch.path} cannot be used: {problem}") from None
