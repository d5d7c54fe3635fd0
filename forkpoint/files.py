"""The files the program writes, as part of its state: watched in the program, stored by the child, put back on restore.

Ties together what the stages know of them: `capture.written` sees changes coming, `journal.filelog` survives the
process, `encode.written` reads contents. Without a usable log nothing is watched, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from time import time_ns
from typing import NamedTuple

from forkpoint import errors
from forkpoint.capture import in_place
from forkpoint.capture.descriptors import OpenFile
from forkpoint.capture.written import Written, look
from forkpoint.encode.written import FileWriter
from forkpoint.journal import contents, filelog
from forkpoint.journal.home import Home
from forkpoint.model import ChunkSink, FileState, Touch


class AtCommit(NamedTuple):
    """What a commit point fixes: each path's state, the files open for writing (and whether they only grow), those open
    for reading with their sizes, the wall clock in nanoseconds, what small files held that may change in place, and the
    marks of databases."""

    states: Mapping[str, FileState]
    writing: Mapping[str, bool]
    reading: Mapping[str, int]
    committed_ns: int
    held: Mapping[str, bytes]
    databases: Mapping[str, str]


class Files:
    """The files of one run, in its process."""

    def __init__(self, home: Home, run: str, max_bytes: int) -> None:
        self._home = home
        self._run = run
        self._max_bytes = max_bytes
        self._written: Written | None = None

    def watch(
        self,
        *,
        known: Iterable[str],
        own_databases: Iterable[str],
        after_a_point: bool,
        committing: Callable[[], bool],
        failed: Callable[[str], None],
    ) -> None:
        """Note every change from here on; later calls do nothing.

        `known`: paths that the restore point this process came from names; `own_databases`: those it has put back.
        """
        if self._written is not None:
            return
        try:
            self._written = Written(
                filelog.FileLog(self._home, self._run),
                ignored=(self._home.path,),
                before=filelog.touches(self._home, self._run),
                known=known,
                own_databases=own_databases,
                after_a_point=after_a_point,
                max_bytes=self._max_bytes,
                committing=committing,
                failed=failed,
            )
            self._written.start()
        except (errors.ForkpointError, OSError) as problem:
            failed(f"files the program writes are not watched, a restore will leave them as they are: {problem}")

    def stop(self) -> None:
        """The program is over: what forkpoint itself writes now is none of its files."""
        if self._written is not None:
            self._written.stop()

    def at_commit(self, opened: Sequence[OpenFile]) -> AtCommit:
        """In the program: microseconds for each file changed since the last commit point."""
        if self._written is None:
            return AtCommit({}, {}, {}, 0, {}, {})
        committed_ns = time_ns()
        writing = self._written.at_commit(opened)
        marks, databases = self._written.databases.at_commit(opened)
        states = {**self._written.states, **{path: look(path) for path in marks}}
        reading = {file.path: file.size for file in opened if file.size and file.path not in states}
        held = {**in_place.read(opened, writing, states), **databases}
        return AtCommit(states, writing, reading, committed_ns, held, marks)

    def look_for_unseen(self) -> None:
        """In the program, when a commit is over: are there changed files that were not noted?"""
        if self._written is not None:
            self._written.look_for_unseen()

    def store(self, sink: ChunkSink, moment: AtCommit, mapped: Collection[str]) -> FileWriter:
        """In the child: what every file held at the commit point. Those `mapped` for writing change, and no time tells
        when."""
        writer = FileWriter(
            sink,
            opened=moment.writing,
            held=moment.held,
            databases=moment.databases,
            committed_ns=moment.committed_ns,
            stored=contents.read(self._home, self._run),
            touched=_Since(self._home, self._run),
            open_kept=lambda touch: filelog.open_kept(self._home, touch),
            max_bytes=self._max_bytes,
        )
        for path, state in moment.states.items():
            writer.add(path, state)
        for path, size in moment.reading.items():
            writer.add_input(path, size)
        if moment.states:
            kept = {path: known for path, known in writer.stored.items() if path not in mapped}
            contents.write(self._home, self._run, kept)
        return writer


class _Since:
    """By path, what was touched since the commit point; the touch that kept a copy, where there is one.

    Asked once for each file, while the program goes on: the log is read again only when it has grown.
    """

    def __init__(self, home: Home, run: str) -> None:
        self._home = home
        self._run = run
        self._length = 0
        self._found: dict[str, Touch] = {}

    def __call__(self) -> dict[str, Touch]:
        length = filelog.length(self._home, self._run, filelog.NOW)
        if length != self._length:
            self._length, self._found = length, {}
            for touch in filelog.touches(self._home, self._run, filelog.NOW):
                if touch.path not in self._found or self._found[touch.path].kept is None:
                    self._found[touch.path] = touch
        return self._found
