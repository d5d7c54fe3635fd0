"""Which files the program changes: told by audit events before they happen, and read at the commit point.

The first change of a path after a restore point is noted in a log that survives the process (`Log`), with what was
there before; so is the first since a commit point while its child reads files. All others cost a look into a set. At a
commit point only what was touched, or is open for writing, is asked about again. Nothing here reads a file's content,
except to keep what is about to be lost.

Not seen: C code that opens files by itself (but for what `_native.announce` knows), other processes, and writes through
a memory map; `unseen` tells of what they leave. What is never noted: the store, devices, and compiled Python files.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from time import monotonic, time_ns
from typing import Any, Final, Protocol

from forkpoint import _native, databases, limits
from forkpoint.capture.descriptors import OpenFile
from forkpoint.capture.own_databases import OwnDatabases
from forkpoint.capture.unseen import Unseen
from forkpoint.model import Change, FileState, Touch

_NEVER: Final = ("/dev/", "/proc/", "/sys/")

_LEADING_ELSEWHERE: Final = frozenset({"os.symlink", "os.rename", "os.remove", "os.rmdir", "os.link"})

_AT_WORKING_DIRECTORY: Final = -1
"""What audit events carry where no `dir_fd` was given."""


class Log(Protocol):
    """Where touches go; implemented by `journal.filelog`."""

    def touch(self, touch: Touch, *, original: bool) -> None:
        """Note what is about to be changed, before it is; `original`: as it was before the program changed it."""
        ...

    def keep(self, path: str, *, replaced: bool, original: bool) -> tuple[str, str]:
        """Keep what is at `path`: its name and digest."""
        ...

    def begin_anew(self) -> None:
        """Here is a commit point: what was noted for the child before it is no longer needed."""
        ...


def look(path: str) -> FileState:
    """What is at `path` now; a link is neither file nor directory."""
    try:
        facts = os.lstat(path)
        target = os.readlink(path) if stat.S_ISLNK(facts.st_mode) else ""
    except OSError:
        return FileState("absent")
    mode = stat.S_IMODE(facts.st_mode)
    if target:
        return FileState("link", target=target)
    if stat.S_ISREG(facts.st_mode):
        return FileState("file", facts.st_size, mode, facts.st_mtime_ns, facts.st_ino)
    return FileState("directory" if stat.S_ISDIR(facts.st_mode) else "other", 0, mode, facts.st_mtime_ns)


class Written:
    """The files one program has changed so far, in this process and in those it was restored from."""

    def __init__(
        self,
        log: Log,
        *,
        ignored: Collection[str],
        before: Iterable[Touch],
        known: Iterable[str],
        own_databases: Iterable[str],
        after_a_point: bool,
        max_bytes: int,
        committing: Callable[[], bool],
        failed: Callable[[str], None],
    ) -> None:
        """`ignored`: directories never noted. `before`: what the log holds already; `known`: other paths changed before
        this process began; `own_databases`: those that came from a restore point. `after_a_point`: there are restore
        points already. `max_bytes`: what is kept of a file at most. `committing`: whether a child is reading files.
        `failed` is told what went wrong.
        """
        self.states: dict[str, FileState] = {}
        self.databases = OwnDatabases(own_databases)
        self._log = log
        self._ignored = (*_NEVER, *(os.path.join(os.path.realpath(path), "") for path in ignored))
        self._max_bytes = max_bytes
        self._committing = committing
        self._failed = failed
        self._pid = os.getpid()
        self._silent = False
        self._one_at_a_time = threading.RLock()
        self._touched: set[tuple[str, bool]] = set()
        self._asked: set[tuple[str, Change]] = set()
        self._unkept: set[str] = set()
        self._kept_bytes = 0
        self._any_point = after_a_point
        self._unseen = Unseen(time_ns(), self._is_ignored)
        self._look_again = 0.0
        for touch in before:
            self.states[touch.path] = touch.was
            self._unkept.discard(touch.path)
            if touch.kept is not None:
                self._kept_bytes += touch.was.size
            elif touch.was.kind == "file":
                self._unkept.add(touch.path)
        for path in [*self.states, *known]:
            self.states[path] = look(path)
        self._writing = dict.fromkeys(self.states, False)  # a restored process has some of them open

    def start(self) -> None:
        """From here on every change is noted before it happens, in whichever thread."""
        _native.audit_start(self._event)

    @staticmethod
    def stop() -> None:
        """Changes are no longer noted: the program is over."""
        _native.audit_stop()

    def at_commit(self, opened: Sequence[OpenFile]) -> dict[str, bool]:
        """Bring `states` up to date; the files open for writing, and whether they are only added to, as their offsets
        tell.

        What is touched from here on happens after this commit point.
        """
        with self._one_at_a_time:  # other threads go on changing files, and their events wait
            return self._at_commit(opened)

    def _at_commit(self, opened: Sequence[OpenFile]) -> dict[str, bool]:
        changed = {*(path for path, _ in self._touched), *self._writing}
        for path in changed | (self.states.keys() & set(map(os.path.dirname, changed))):  # whose entries are others now
            self.states[path] = look(path)
        writing: dict[str, bool] = {}
        for file in opened:
            if file.flags & os.O_ACCMODE == os.O_RDONLY or self._is_ignored(file.path):
                continue
            state = _stamped(file)
            if state.kind == "file":
                self.states[file.path] = state
                grows = bool(file.flags & os.O_APPEND) or file.offset >= state.size
                writing[file.path] = writing.get(file.path, True) and grows
        self._any_point = True
        self._writing = writing
        self._touched.clear()
        self._asked.clear()
        self._silent = True  # what the log opens beneath a directory's descriptor has no path that could be ignored
        try:
            self._log.begin_anew()
        finally:
            self._silent = False
        return writing

    def look_for_unseen(self) -> None:
        """Tell, once, of files that changed and were not seen to: for at most a small part of the time, and not while
        the program is stopped for a commit.
        """
        began = monotonic()
        if began < self._look_again:
            return
        with self._one_at_a_time:
            found = self._unseen.look(self.states)
        ended = monotonic()
        self._look_again = ended + (ended - began) / limits.SCANNING_SHARE_MAX
        if found:
            self._look_again = float("inf")
            names = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
            self._failed(f"{names}: changed by C code or another process; a restore leaves what these write as it is")

    # ---- before a change

    def _event(self, event: str, args: tuple[Any, ...]) -> None:
        if os.getpid() != self._pid:
            return  # in a fork of the program's own: not its files
        try:
            with self._one_at_a_time:  # each line of the log carries the tag of the one before
                if not self._silent:
                    self._note(event, args)
        except Exception as problem:  # noqa: BLE001 - the program must not see an error of ours
            self._failed(f"a changed file is not noted: {type(problem).__name__}: {problem}")

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect":
            self.databases.connecting(args[0], lambda path: self._touch(path, "database"))
        elif event == "open":
            path, _, flags = args
            self._touch(path, "append" if flags & os.O_APPEND and not flags & os.O_TRUNC else "change")
        elif event == "os.truncate":
            self._touch(args[0], "change")
        elif event in ("os.chmod", "os.utime"):
            self._touch(args[0], "append", args[-1])  # content stays
        elif event in ("os.remove", "os.rmdir"):
            self._touch(args[0], "replace", args[1])
        elif event == "os.mkdir":
            self._touch(args[0], "replace", args[2])
        elif event == "os.symlink":
            self._touch(args[1], "replace", args[2])
        elif event in ("os.rename", "os.link"):
            # What is renamed lives on under its other name, where it may be changed: it takes a copy to keep it.
            self._touch(args[0], "change", args[2])
            self._touch(args[1], "replace", args[3])
            if event == "os.rename":
                self._rename_below(_absolute(args[2], args[0]), _absolute(args[3], args[1]))
        if event in _LEADING_ELSEWHERE:
            self._asked.clear()  # names on whose way there is a link may lead to other files now

    def _rename_below(self, source: str, target: str) -> None:
        """A renamed directory takes what is in it along, where it may be changed: small files are copied to keep them.
        Of one that is kept by a link and changed, the next points say that they have lost it.
        """
        if not os.path.isdir(source) or os.path.islink(source):
            return
        copied = 0
        for folder, folders, files in os.walk(source):
            for name in (*folders, *files):
                path = os.path.join(folder, name)
                copied += look(path).size
                self._touch(path, "replace" if copied > limits.RENAMED_BYTES_MAX else "change")
                self._touch(target + path[len(source) :], "replace")
                if len(self.states) >= limits.FILES_MAX:
                    return

    def _touch(self, given: Any, change: Change, dir_fd: int = _AT_WORKING_DIRECTORY) -> None:
        if isinstance(given, int):
            return  # a descriptor: its path was noted when it was opened
        name = _absolute(dir_fd, given)
        if (name, change) in self._asked:
            return
        if len(self._asked) >= limits.FILES_MAX:
            self._asked.clear()  # it only saves work
        self._asked.add((name, change))
        # Opening follows a last link, renaming and removing do not.
        path = os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))
        if change != "replace" and os.path.islink(path):
            path = os.path.realpath(path)
        endangered = change not in ("append", "database")
        if (path, True) in self._touched or (path, endangered) in self._touched or self._is_ignored(path):
            return
        if path not in self.states and len(self.states) >= limits.FILES_MAX:
            self._failed(f"more than {limits.FILES_MAX:,} files are changed: a restore leaves the others as they are")
            return
        self._touched.add((path, endangered))
        self._remember(path, change)

    def _is_ignored(self, path: str) -> bool:
        return path.startswith(self._ignored) or "/__pycache__/" in path

    def _remember(self, path: str, change: Change) -> None:
        """Note what is at `path` where somebody may need it: a restore to an earlier point, or the child at work."""
        was = look(path)
        first = path not in self.states
        if was.kind == "other":
            return
        endangered = was.kind == "file" and change not in ("append", "database") and was.size <= self._max_bytes
        if first:
            self.states[path] = was
        unkept = path in self._unkept or (endangered and databases.is_database(path))
        if self._any_point and (first or (endangered and unkept)):
            self._note_original(path, change, was, endangered=endangered, first=first)
        if not first and self._committing():
            kept = self._log.keep(path, replaced=change == "replace", original=False) if endangered else (None, "")
            self._log.touch(Touch(path, change, was, *kept), original=False)

    def _note_original(self, path: str, change: Change, was: FileState, *, endangered: bool, first: bool) -> None:
        """For restores to points that do not know the path; before the first point there are none."""
        kept: tuple[str | None, str] = (None, "")
        if endangered and self._kept_bytes + was.size <= limits.KEPT_BYTES_MAX:
            kept = self._log.keep(path, replaced=change == "replace", original=True)
            self._kept_bytes += was.size
        self._log.touch(Touch(path, change, was, *kept), original=True)
        if kept[0] is not None:
            self._unkept.discard(path)
        elif first and was.kind == "file":
            self._unkept.add(path)


def _stamped(file: OpenFile) -> FileState:
    """The state of an open file, with a time that the next write is sure to change.

    The kernel's file times move in steps of milliseconds: what was written just now and what will be written in a
    moment could leave the same time. One nanosecond less, which no clock gives, is told from both.
    """
    state = look(file.path)
    facts = os.fstat(file.fd)
    if state.inode != facts.st_ino or time_ns() - state.mtime_ns > limits.FILE_TIME_STEP_NS:
        return state
    try:
        os.utime(file.fd, ns=(facts.st_atime_ns, facts.st_mtime_ns - 1))
    except OSError:  # somebody else's file: then no later state counts as this one
        return state._replace(mtime_ns=0)
    return look(file.path)


def _absolute(dir_fd: int, given: Any) -> str:
    """The absolute path that `given` is when it is taken relative to an open directory, or the working directory."""
    path = os.fsdecode(given)
    if dir_fd != _AT_WORKING_DIRECTORY and not os.path.isabs(path):
        path = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
    return os.path.abspath(path)
