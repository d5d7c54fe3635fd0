"""What the read verbs ask of a store, and how they name what they find."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forkpoint import settings
from forkpoint.errors import NoStore, UnknownReference
from forkpoint.journal.home import Home, open_home
from forkpoint.journal.points import Damage, Run
from forkpoint.journal.reader import Reader

PREFIX_CHARACTERS_MIN = 4


def home(store: Path | None) -> Home:
    """The store a verb is about. Raises `NoStore` saying how one comes to be."""
    path = settings.load_store(store)
    if not path.is_dir():
        raise NoStore(f"there is no store at {path}", hint="`forkpoint run` makes one; --store names another")
    return open_home(str(path))


@contextmanager
def reader(store: Path | None) -> Iterator[Reader]:
    """The journal for reading, for the length of a `with`."""
    with Reader(home(store)) as opened:
        yield opened


def find_run(opened: Reader, text: str) -> Run:
    """The run that `text` names: a prefix of its id, `latest`, or any REF of one of its restore points."""
    runs = opened.runs()
    if text == "latest" and runs:
        return runs[0]
    found = [run for run in runs if run.id.startswith(text)] if len(text) >= PREFIX_CHARACTERS_MIN else []
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownReference(f"{text} is ambiguous", candidates=tuple(described(run) for run in found))
    try:
        return opened.run(opened.resolve(text).run)
    except UnknownReference as error:
        raise UnknownReference(
            f"no run {text}", candidates=error.candidates or tuple(described(run) for run in runs)
        ) from None


def described(run: Run) -> str:
    """A run in one line, for lists of candidates."""
    return f"{run.id[:8]}  {run.program}  {run.state}, {len(run.points)} restore points, begun {run.created_at}"


def damage_fields(damage: Damage) -> dict[str, Any]:
    """A damage as `verify --json` publishes it."""
    return {
        "invariant": damage.invariant,
        "detail": damage.detail,
        "pack": damage.pack,
        "points": list(damage.points),
        "chunk": damage.chunk,
        "variables": list(damage.variables),
    }
