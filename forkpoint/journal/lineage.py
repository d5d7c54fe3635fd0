"""Which runs came last under an identity: one small file each, so that a start need not open the journal.

    leases/<identity>.last   the newest runs of that identity, newest first: one a line, id and interpreter
    leases/lineage           there once the files above are complete

`identity` is a digest (32 hex digits) of what makes two starts the same program, the interpreter (its `sys.prefix`)
apart. In an encrypted store, where it would tell the arguments to whoever guesses them, the file has another name, and
what it says is hidden (cipher.py). The file is written, durably, before the run it names begins; the run's lease and
end note then tell what became of it. A store that has a journal but no `lineage` mark (older than this file, or a copy
that left it out) has its files written anew from the journal, once, by whoever asks (`cli.resumption`).
"""

from __future__ import annotations

import contextlib
import os

from forkpoint.errors import IntegrityError
from forkpoint.journal import disk, durable, lease
from forkpoint.journal.home import Home, is_id
from forkpoint.journal.runs import RunInfo

_MARK = "lineage"
_RUNS_KEPT = 8
_BYTES_MAX = 64 << 10


def begin(home: Home, info: RunInfo) -> lease.Lease:
    """Hold the lease of a new run and note it as the newest of its identity. Durable when it returns."""
    held = lease.acquire(home, info.id)
    if complete(home):
        mark(home)
    note(home, info)
    return held


def runs(home: Home, identity: str) -> list[tuple[str, str]]:
    """(run id, interpreter) of the newest runs of this identity, newest first; all there is once `complete`."""
    return _read(home, identity)


def note(home: Home, info: RunInfo) -> None:
    """This run is the newest of its identity from now on. Durable when it returns."""
    entries = [(info.id, str(info.facts.get("interpreter", "")))]
    entries += [entry for entry in _read(home, info.identity) if entry[0] != info.id]
    text = "\n".join(f"{run} {interpreter}" for run, interpreter in entries[:_RUNS_KEPT])
    with home.held("leases") as directory:
        durable.replace_file(directory, _name(home, info.identity), os.fsencode(home.seal.hide(_MARK, text)))


def _name(home: Home, identity: str) -> str:
    return f"{home.seal.name(_MARK, identity)}.last"


def _read(home: Home, identity: str) -> list[tuple[str, str]]:
    if not is_id(identity):
        return []
    with home.held("leases") as directory:
        try:
            text = home.seal.show(_MARK, os.fsdecode(durable.read_file(directory, _name(home, identity), _BYTES_MAX)))
        except (OSError, IntegrityError, ValueError):
            return []
    found = [line.partition(" ") for line in text.splitlines()]
    return [(run, interpreter) for run, _, interpreter in found if is_id(run)]


def complete(home: Home) -> bool:
    """Whether the files tell of every run the journal knows: it is empty, or they were written from it."""
    with home.held("leases") as directory:
        try:
            disk.stat(_MARK, dir_fd=directory, follow_symlinks=False)
            return True
        except FileNotFoundError:
            pass
    with home.held() as root:
        return "journal.db" not in disk.listdir(root)


def mark(home: Home) -> None:
    """From now on the files tell of every run there ever was."""
    with home.held("leases") as directory, contextlib.suppress(FileExistsError):
        disk.close(durable.create_file(directory, _MARK))
        disk.fsync(directory)
