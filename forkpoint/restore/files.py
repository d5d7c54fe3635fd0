"""The program's files as they were at a restore point: what to change (pure), and changing it.

Three things are known: what the restore point says of every path the program had changed by then; the log of what was
at each path before the program first touched it; and what is there now. A path the restore point does not name was
untouched then, so it gets back what the log's first entry says. Nothing is destroyed: what is moved out of the way or
cut off goes to a folder in the store. Every step can be repeated: if this process dies, the next restore does the rest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from forkpoint import databases, limits
from forkpoint.encode.pods import find
from forkpoint.encode.written import tail_digest
from forkpoint.errors import RestoreFailed
from forkpoint.model import ChunkSource, FileState, Pod, Touch, WrittenFile

Action = Literal["write", "cut", "mode", "link", "remove", "make directory", "remove directory", "impossible", "leave"]


class Step(NamedTuple):
    """One change of one path. `origin` says where content comes from: a pod's name, or a touch that kept a copy; of a
    link, where it leads.
    """

    action: Action
    path: str
    size: int = 0
    mode: int = 0o644
    origin: str | Touch | None = None
    reason: str = ""

    def __str__(self) -> str:
        words = {
            "write": f"put back as it was, {self.size:,} bytes",
            "cut": f"cut to {self.size:,} bytes",
            "mode": f"permissions {self.mode:o} again",
            "link": f"leads to {self.origin} again",
            "remove": "moved aside, it was made later",
            "make directory": "made again",
            "remove directory": "moved aside, it was made later",
            "impossible": f"is not what it was: {self.reason}",
            "leave": "a database that has changed since, left as it is: what is done again is done again there",
        }
        return f"{self.path}: {words[self.action]}"


class Contents(Protocol):
    """Looks at what files hold, for decisions that cannot be made without."""

    def equal(self, path: str, size: int, origin: str | Touch) -> bool:
        """Whether the first `size` bytes at `path` are those of `origin`."""
        ...

    def tail(self, path: str, size: int) -> str:
        """See `encode.written.tail_digest`."""
        ...

    def mark(self, path: str) -> str:
        """See `databases.mark`."""
        ...

    def in_use(self, path: str) -> bool:
        """Whether another process has it open."""
        ...


def plan(
    files: Sequence[WrittenFile],
    touches: Sequence[Touch],
    look: Callable[[str], FileState],
    contents: Contents,
    elsewhere: Callable[[str], str] = str,
) -> list[Step]:
    """What has to be done, in order: directories, files, then what is moved aside, deepest paths first.

    `elsewhere` says where a path lies here, when the working directory is another one.
    """
    steps: list[Step] = []
    named = {file.path for file in files}
    for file in sorted(files, key=lambda file: file.path):
        if file.kind == "database":
            steps += _database(file, touches, elsewhere(file.path), look, contents)
        elif file.kind == "link":
            steps += _leading(elsewhere(file.path), elsewhere(file.target), look)
        else:
            steps += _as_recorded(file, elsewhere(file.path), look, contents)
    for path, touch in sorted(_before(touches).items()):
        if path in named:
            continue
        if touch.was.kind == "link":
            steps += _leading(elsewhere(path), elsewhere(touch.was.target), look)
        else:
            steps += _as_before(touch, elsewhere(path), look, contents)
    recorded = {elsewhere(path) for path in named}
    for path in _changed_databases(files, touches, steps, elsewhere):
        steps += _beside(path, recorded, look)
    order: dict[Action, int] = {
        "make directory": 0,
        "write": 1,
        "cut": 1,
        "link": 1,
        "mode": 2,
        "impossible": 1,
        "leave": 1,
    }
    making = sorted((s for s in steps if s.action in order), key=lambda step: (order[step.action], step.path))
    removing = [s for s in steps if s.action not in order]
    return making + sorted(removing, key=lambda step: (step.action == "remove directory", -step.path.count("/")))


def relocation(old_cwd: str, new_cwd: str | None) -> Callable[[str], str]:
    """Where a path lies here: what was below the old working directory goes with it to the new one."""
    if new_cwd is None:
        return str
    old, new = os.path.join(os.path.realpath(old_cwd), ""), os.path.realpath(new_cwd)
    return lambda path: os.path.join(new, path[len(old) :]) if path.startswith(old) else path


def _before(touches: Sequence[Touch]) -> dict[str, Touch]:
    """What was at each path before its first touch, with the first copy that was kept of it.

    Between the two there were only touches for appending, so that the copy begins with what was there.
    """
    found: dict[str, Touch] = {}
    for touch in touches:
        first = found.setdefault(touch.path, touch)
        if first.kept is None and touch.kept is not None and first.was.kind == "file":
            found[touch.path] = Touch(touch.path, touch.change, first.was, touch.kept, touch.digest)
    return found


def _as_recorded(file: WrittenFile, path: str, look: Callable[[str], FileState], contents: Contents) -> list[Step]:
    now = look(path)
    if file.kind == "absent":
        return _gone(path, now)
    if file.kind == "directory":
        return [] if now.kind == "directory" else [Step("make directory", path, mode=file.mode)]
    if file.pod is not None:
        return _with_content(path, file.size, file.mode, file.pod, now, contents)
    same = now.kind == "file" and now.size >= file.size and file.digest == contents.tail(path, file.size) != ""
    if file.kind == "input":
        return [] if same else [Step("impossible", path, reason="the program was reading it, and it has changed since")]
    if same:
        return [Step("cut", path, file.size)] if now.size > file.size else []
    return [Step("impossible", path, file.size, reason=file.reason)]


def _database(
    file: WrittenFile, touches: Sequence[Touch], path: str, look: Callable[[str], FileState], contents: Contents
) -> list[Step]:
    """Exactly as it was where its content is known; otherwise it stays, which is told if it has changed."""
    now = look(path)
    if file.pod is None:
        if now.kind == "absent":
            return _if_gone(file, touches, path, look)
        return [Step("leave", path)] if file.digest not in ("", contents.mark(path)) else []
    if now.kind == "file" and now.size == file.size and contents.equal(path, file.size, file.pod):
        return []
    if contents.in_use(path):
        return [Step("impossible", path, file.size, reason="another process has this database open")]
    return [Step("write", path, file.size, file.mode, file.pod)]


def _changed_databases(
    files: Sequence[WrittenFile], touches: Sequence[Touch], steps: Sequence[Step], elsewhere: Callable[[str], str]
) -> set[str]:
    """Databases that are put back, or moved aside: what SQLite has beside them belongs to what they are now."""
    changed = {step.path for step in steps if step.action in ("write", "remove")}
    own = {elsewhere(file.path).removesuffix("-wal") for file in files if file.kind == "database"}
    own |= {elsewhere(touch.path) for touch in touches if touch.change == "database"}
    return {path for path in own if path in changed or f"{path}-wal" in changed}


def _beside(path: str, recorded: set[str], look: Callable[[str], FileState]) -> list[Step]:
    names = [f"{path}{suffix}" for suffix in databases.BESIDE]
    return [Step("remove", name) for name in names if name not in recorded and look(name).kind == "file"]


def _if_gone(file: WrittenFile, touches: Sequence[Touch], path: str, look: Callable[[str], FileState]) -> list[Step]:
    """A database that the program has removed since, as it was then."""
    kept = [touch for touch in touches if touch.path == file.path and touch.kept is not None]
    if look(path).kind != "absent" or not kept:
        return []
    return [Step("write", path, kept[-1].was.size, file.mode, kept[-1])]


def _as_before(touch: Touch, path: str, look: Callable[[str], FileState], contents: Contents) -> list[Step]:
    now, was = look(path), touch.was
    if was.kind == "absent":
        return _gone(path, now)
    if was.kind == "directory":
        return [] if now.kind == "directory" else [Step("make directory", path, mode=was.mode)]
    if touch.kept is not None:
        return _with_content(path, was.size, was.mode, touch, now, contents)
    if now == was:
        return []
    if now.kind == "file" and now.inode == was.inode and now.size >= was.size and touch.change == "append":
        return [Step("cut", path, was.size)] if now.size > was.size else []
    return [Step("impossible", path, was.size, reason="it was too large to keep when the program changed it")]


def _leading(path: str, target: str, look: Callable[[str], FileState]) -> list[Step]:
    now = look(path)
    return [] if now.kind == "link" and now.target == target else [Step("link", path, origin=target)]


def _gone(path: str, now: FileState) -> list[Step]:
    if now.kind in ("file", "link"):
        return [Step("remove", path, now.size)]
    return [Step("remove directory", path)] if now.kind == "directory" else []


def _with_content(
    path: str, size: int, mode: int, origin: str | Touch, now: FileState, contents: Contents
) -> list[Step]:
    if now.kind == "file" and now.size >= size and contents.equal(path, size, origin):
        cut = [Step("cut", path, size)] if now.size > size else []
        return cut + ([Step("mode", path, mode=mode)] if now.mode != mode else [])
    return [Step("write", path, size, mode, origin)]


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


def perform(steps: Sequence[Step], stored: Stored, aside: str) -> None:
    """Change the files. What is moved away or cut off lies below `aside` afterwards, under its whole path.

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
