"""The program's files as they were at a restore point: what to change. `restore.file_changes` does it.

Three things are known: what the restore point says of every path the program had changed by then; the log of what was
at each path before the program first touched it; and what is there now. A path the restore point does not name was
untouched then, so it gets back what the log's first entry says. Nothing is destroyed: what is moved out of the way or
cut off goes to a folder in the store. Every step can be repeated: if this process dies, the next restore does the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

from forkpoint import databases
from forkpoint.model import FileState, Touch, WrittenFile

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
    """What has to be done, in order: directories, files, what is moved aside, deepest paths first, then permissions.

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
        "impossible": 1,
        "leave": 1,
    }
    making = sorted((s for s in steps if s.action in order), key=lambda step: (order[step.action], step.path))
    removing = [s for s in steps if s.action not in order and s.action != "mode"]
    removing.sort(key=lambda step: (step.action == "remove directory", -step.path.count("/")))
    modes = [s for s in steps if s.action == "mode"]  # last: one may be of a directory in which nothing changes then
    return making + removing + sorted(modes, key=lambda step: step.path)


def times(
    files: Sequence[WrittenFile],
    touches: Sequence[Touch],
    steps: Sequence[Step],
    elsewhere: Callable[[str], str] = str,
) -> dict[str, int]:
    """When what is at each path was changed last, in nanoseconds: putting back changes that, of directories too, and
    programs look at it (which checkpoint is the oldest). Without what cannot be put back.
    """
    named = {file.path for file in files}
    recorded = [(file.path, file.kind, file.mtime_ns) for file in files]
    before = [
        (path, touch.was.kind, touch.was.mtime_ns) for path, touch in _before(touches).items() if path not in named
    ]
    other = {step.path for step in steps if step.action in ("impossible", "leave")}
    return {
        here: mtime_ns
        for path, kind, mtime_ns in recorded + before
        if kind in ("file", "directory") and mtime_ns and (here := elsewhere(path)) not in other
    }


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
        return _directory(path, file.mode, now)
    if file.pod is not None:
        return _with_content(path, file.size, file.mode, file.pod, now, contents)
    same = now.kind == "file" and now.size >= file.size and file.digest == contents.tail(path, file.size) != ""
    if file.kind == "input":
        return [] if same else [Step("impossible", path, reason="the program was reading it, and it has changed since")]
    if same:
        return _cut_to(path, file.size, file.mode, now)
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
        return _directory(path, was.mode, now)
    if touch.kept is not None:
        return _with_content(path, was.size, was.mode, touch, now, contents)
    if now == was:
        return []
    if now.kind == "file" and now.inode == was.inode and now.size >= was.size and touch.change == "append":
        return _cut_to(path, was.size, was.mode, now)
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
        return _cut_to(path, size, mode, now)
    return [Step("write", path, size, mode, origin)]


def _directory(path: str, mode: int, now: FileState) -> list[Step]:
    return _with_mode(path, mode, now) if now.kind == "directory" else [Step("make directory", path, mode=mode)]


def _cut_to(path: str, size: int, mode: int, now: FileState) -> list[Step]:
    """What is there begins as it should."""
    return ([Step("cut", path, size)] if now.size > size else []) + _with_mode(path, mode, now)


def _with_mode(path: str, mode: int, now: FileState) -> list[Step]:
    return [Step("mode", path, mode=mode)] if now.mode != mode else []
