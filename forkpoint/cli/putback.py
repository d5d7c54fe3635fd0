"""The program's files before it goes on from a restore point: what has to be changed, said and done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from forkpoint import errors
from forkpoint.say import say

if TYPE_CHECKING:
    from forkpoint.journal.home import Home
    from forkpoint.journal.plan import RestorePlan
    from forkpoint.model import Touch
    from forkpoint.restore.file_changes import Stored
    from forkpoint.restore.files import Step

_FILES_TOLD = 20
"""Changed files named one by one; a program may have written thousands."""


def impossible(store: Home, plan: RestorePlan) -> list[str]:
    """What cannot be put back, in words: files read that have changed since, contents too large to have been kept."""
    with _steps(store, plan, None) as (steps, _, _):
        return [str(step) for step in steps if step.action == "impossible"]


def put_back(store: Home, plan: RestorePlan, cwd: str | None, *, force: bool) -> None:
    """Make the program's files what they were at the restore point, saying what is changed.

    Raises `RestoreFailed`, before anything is changed, when a file cannot be put back and `force` is not given.
    """
    from forkpoint.restore import file_changes

    with _steps(store, plan, cwd) as (steps, changed, stored):
        stuck = [step for step in steps if step.action == "impossible"]
        if stuck and not force:
            raise errors.RestoreFailed(
                "; ".join(map(str, stuck)),
                hint="--force goes on all the same, --files leave without touching any file",
            )
        for step in steps[:_FILES_TOLD]:
            say(str(step))
        if len(steps) > _FILES_TOLD:
            say(f"and {len(steps) - _FILES_TOLD} more files")
        if steps and store.encrypted:
            _make_private(store.aside)
        file_changes.perform(steps, changed, stored, os.path.join(store.aside, plan.manifest.point))


def _make_private(aside: str) -> None:
    """Nothing else keeps what is beside a store from others, nor from git."""
    os.makedirs(aside, 0o700, exist_ok=True)
    with suppress(FileExistsError), open(os.path.join(aside, ".gitignore"), "x") as file:
        file.write("*\n")


@contextmanager
def _steps(store: Home, plan: RestorePlan, cwd: str | None) -> Iterator[tuple[list[Step], dict[str, int], Stored]]:
    from forkpoint.capture.written import look
    from forkpoint.journal import filelog
    from forkpoint.journal.packfile import PackReader
    from forkpoint.restore import file_changes, files

    manifest = plan.manifest
    source = PackReader(store, plan)
    try:
        stored = file_changes.Stored(manifest.pods, source, lambda touch: filelog.open_kept(store, touch))
        moved = files.relocation(manifest.provenance["start"].get("cwd", plan.envelope.run.cwd), cwd)
        touches = _touches(store, manifest.run)
        steps = files.plan(manifest.files, touches, look, stored, moved)
        yield steps, files.times(manifest.files, touches, steps, moved), stored
    finally:
        source.close()


def _touches(store: Home, run: str) -> list[Touch]:
    from forkpoint.journal import filelog

    try:
        return filelog.touches(store, run)
    except errors.IntegrityError as problem:
        problem.hint = "--files leave goes on without touching any file"
        raise
