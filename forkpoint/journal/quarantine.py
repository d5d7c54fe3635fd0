"""What repairs put aside: `quarantine/<time>-<4 digits>/` has damaged packs and journals, and what was lost with them.

Nothing in it is read again but `report`: a tag (64 hex digits, over "quarantine" and the rest), and JSON, which is
hidden in an encrypted store (cipher.py). Deleting it is left to people.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Iterator
from typing import Any

from forkpoint.errors import IntegrityError
from forkpoint.journal import disk, durable, seal
from forkpoint.journal.home import Home

NAME = "quarantine"
_REPORT = "report"
_REPORT_BYTES_MAX = 16 << 20


@contextlib.contextmanager
def opened(home: Home, report: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """A new directory in it, with its report written durably: its path in the store, and its descriptor."""
    now = datetime.datetime.now(datetime.UTC)
    name = f"{now:%Y%m%dT%H%M%SZ}-{disk.urandom(2).hex()}"
    body = home.seal.hide(NAME, json.dumps(report))
    with home.held() as root:
        durable.make_directory(root, NAME)
    with home.held(NAME) as directory:
        durable.make_directory(directory, name)
    with home.held(NAME, name) as place:
        durable.replace_file(place, _REPORT, f"{home.seal.tag(NAME, body).hex()} {body}".encode())
        yield f"{NAME}/{name}", place


def notes(home: Home, present: set[str]) -> list[str]:
    """A sentence for each directory of it; restore points that are `present` again were not lost."""
    said = []
    with home.held() as root:
        if NAME not in disk.listdir(root):
            return []
    with home.held(NAME) as directory:
        names = sorted(disk.listdir(directory))
    for name in names:
        lost = [reference for id, reference in _lost(home, name) if id not in present]
        what = f"; lost with it: restore points {', '.join(lost)}" if lost else ""
        said.append(f"{NAME}/{name} holds what a repair put aside{what}")
    return said


def _lost(home: Home, name: str) -> list[tuple[str, str]]:
    """(id, reference) of the restore points that the report of one directory tells of; none if it is not believed."""
    try:
        with home.held(NAME, name) as place:
            tag, _, body = durable.read_file(place, _REPORT, _REPORT_BYTES_MAX).decode().partition(" ")
        if not seal.same(home.seal.tag(NAME, body).hex().encode(), tag.encode()):
            return []
        return [(str(item["id"]), str(item["ref"])) for item in json.loads(home.seal.show(NAME, body))["lost"]]
    except (OSError, IntegrityError, ValueError, KeyError, TypeError, RecursionError):
        return []
