"""What is different now from when a restore point was made: sources, packages, Python; in words, none for no change.

The restored program goes on with the code and the objects it had, so no difference makes a restore wrong by itself;
but who starts a program again after changing it means the changed one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from forkpoint.capture import provenance as facts


def outside(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Differences that can be told without importing anything: Python's version and the project's source files."""
    return (*_python(provenance), *_sources(provenance))


def packages(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Loaded libraries of another version than the restore point's. Ask once they have been imported."""
    now = facts.packages()
    return tuple(
        f"{name} was {version}, is {now[name]}"
        for name, version in provenance.get("packages", {}).items()
        if now.get(name, version) != version
    )


def _python(provenance: Mapping[str, Any]) -> Iterator[str]:
    was = list(provenance.get("start", {}).get("python", sys.version_info[:3]))
    if was != list(sys.version_info[:3]):
        yield f"Python was {'.'.join(map(str, was))}, is {'.'.join(map(str, sys.version_info[:3]))}"


def _sources(provenance: Mapping[str, Any]) -> Iterator[str]:
    for path, digest in provenance.get("sources", {}).items():
        now = facts.source_digest(path)
        if now != digest:
            yield f"{path} has changed" if now is not None else f"{path} is gone"
