"""Changing files as `restore.files` planned it: content from packs and kept copies, what is moved away kept aside."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence

from forkpoint import databases, limits
from forkpoint.encode.pods import find
from forkpoint.encode.written import tail_digest
from forkpoint.errors import RestoreFailed
from forkpoint.model import ChunkSource, Pod, Touch
from forkpoint.restore.files import Action, Step


class Stored:
    """Content from packs and from kept copies."""

    def __init__(self, pods: Sequence[Pod], source: ChunkSource, open_kept: Callable[[Touch], int]) -> None:
        self._pods = pods
        self._source = source
        self._open_kept = open_kept

    def pieces(self, origin: str | Touch, size: int) -> Iterator[bytes]:
        """The first `size` bytes. Raises IntegrityError or OSError when they are not what was stored."""
        if isinstance(origin, str):
            yield from map(self._source.get, find(self._pods, origin).chunks)
            return
        fd = self._open_kept(origin)
        try:
            while size and (data := os.read(fd, min(size, limits.CHUNK_BYTES))):
                size -= len(data)
                yield data
        finally:
            os.close(fd)

    def equal(self, path: str, size: int, origin: str | Touch) -> bool:
        """See `Contents`."""
        try:
            with open(path, "rb") as file:
                return all(file.read(len(piece)) == piece for piece in self.pieces(origin, size))
        except PermissionError:
            return False

    def tail(self, path: str, size: int) -> str:
        """See `Contents`; empty for what cannot be read."""
        with contextlib.suppress(OSError):
            return tail_digest(path, size)
        return ""

    def mark(self, path: str) -> str:
        """See `Contents`."""
        return databases.mark(path)

    def in_use(self, path: str) -> bool:
        """See `Contents`; as far as this user may see."""
        for process in os.listdir("/proc"):
            if process.isdigit() and int(process) != os.getpid():
                with contextlib.suppress(OSError):
                    folder = f"/proc/{process}/fd"
                    if any(os.readlink(f"{folder}/{fd}") == path for fd in os.listdir(folder)):
                        return True
        return False


def perform(steps: Sequence[Step], changed: Mapping[str, int], stored: Stored, aside: str) -> None:
    """Change the files. What is moved away or cut off lies below `aside` afterwards, under its whole path. `changed`:
    see `times`.

    Raises RestoreFailed naming the path at the first step that cannot be done; done again, the rest follows.
    """
    for step in steps:
        try:
            _PERFORM[step.action](step, stored, aside)
        except OSError as problem:
            raise RestoreFailed(
                f"{step.path} cannot be put back: {problem.strerror or problem}",
                hint="--files leave goes on without touching files",
            ) from problem
    for path, mtime_ns in changed.items():
        with contextlib.suppress(OSError, OverflowError):  # another user's, or a system that keeps no such time
            now = os.lstat(path)
            if now.st_mtime_ns != mtime_ns and not stat.S_ISLNK(now.st_mode):
                os.utime(path, ns=(now.st_atime_ns, mtime_ns))


def _aside(path: str, aside: str) -> str:
    """Where to put what was at `path`: a name nothing has yet."""
    target = os.path.join(aside, path.lstrip("/"))
    os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
    number, free = 0, target
    while os.path.lexists(free):
        number += 1
        free = f"{target}.{number}"
    return free


def _remove(step: Step, stored: Stored, aside: str) -> None:
    import shutil

    shutil.move(step.path, _aside(step.path, aside))


def _write(step: Step, stored: Stored, aside: str) -> None:
    """A new file beside the place, then its name: whoever looks sees the old content or the new."""
    assert step.origin is not None
    os.makedirs(os.path.dirname(step.path), exist_ok=True)
    temporary = f"{step.path}.forkpoint-{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.writelines(stored.pieces(step.origin, step.size))
            os.fchmod(file.fileno(), step.mode)
        if os.path.lexists(step.path):
            _remove(step, stored, aside)
        os.rename(temporary, step.path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _cut(step: Step, stored: Stored, aside: str) -> None:
    with open(step.path, "r+b") as file:
        file.seek(step.size)
        with open(_aside(f"{step.path}.from-{step.size}", aside), "wb") as tail:
            while data := file.read(limits.CHUNK_BYTES):
                tail.write(data)
        file.truncate(step.size)


def _set_mode(step: Step, stored: Stored, aside: str) -> None:
    with contextlib.suppress(PermissionError):  # another user's file, whose content is as it was
        os.chmod(step.path, step.mode)


def _link(step: Step, stored: Stored, aside: str) -> None:
    assert isinstance(step.origin, str)
    os.makedirs(os.path.dirname(step.path), exist_ok=True)
    if os.path.lexists(step.path):
        _remove(step, stored, aside)
    os.symlink(step.origin, step.path)


def _make_directory(step: Step, stored: Stored, aside: str) -> None:
    os.makedirs(step.path, exist_ok=True)
    os.chmod(step.path, step.mode)


def _remove_directory(step: Step, stored: Stored, aside: str) -> None:
    """With whatever is left in it, which C code or other programs have made since."""
    if os.listdir(step.path):
        _remove(step, stored, aside)
    else:
        os.rmdir(step.path)


def _leave(step: Step, stored: Stored, aside: str) -> None:
    """Said before; where it is impossible, gone on with by the user's --force."""


_PERFORM: Mapping[Action, Callable[[Step, Stored, str], None]] = {
    "write": _write,
    "cut": _cut,
    "mode": _set_mode,
    "link": _link,
    "remove": _remove,
    "make directory": _make_directory,
    "remove directory": _remove_directory,
    "impossible": _leave,
    "leave": _leave,
}
