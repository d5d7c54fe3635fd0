"""What is different now from when a restore point was made: sources, packages, Python; in words, none for no change.

The restored program goes on with the code and the objects it had, so its own sources make no restore wrong; but who
starts a program again after changing it means the changed one. Libraries are imported anew: those of another version
may do otherwise with the objects of this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from forkpoint.capture import provenance as facts


def own(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Differences of what is no library: Python's version and the project's source files."""
    return (*_python(provenance), *_sources(provenance))


def packages(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Libraries of another version than the restore point's.

    A library's own `__version__` is asked only where its files have changed, or what the installer left beside them
    tells another one: that takes importing it, in a process of its own.
    """
    versions: Mapping[str, str] = provenance.get("packages", {})
    own_sources: Mapping[str, str] = provenance.get("sources", {})
    paths = {
        name: path
        for name, (path, *was) in provenance.get("package_files", {}).items()
        if name in versions
        and os.path.realpath(path) not in own_sources
        and (facts.file_facts(path) != tuple(was) or facts.installed(path, name) not in (None, versions[name]))
    }
    now = _asked(paths) if paths else {}
    return tuple(
        f"{name} was {versions[name]}, is {now.get(name, 'gone')}" for name in paths if now.get(name) != versions[name]
    )


def _asked(paths: Mapping[str, str]) -> dict[str, str]:
    """The versions of these libraries as they lie there now; without those that cannot be imported."""
    folders = {path.rpartition("/")[0].removesuffix(f"/{name}") for name, path in paths.items()}
    done = subprocess.run(
        [sys.executable, "-c", _ASK, json.dumps([sorted(folders), sorted(paths), _PACKAGE])],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    try:
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {}
    return found


_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_ASK: Final = """
import contextlib, importlib, json, sys
folders, names, package = json.loads(sys.argv[1])
sys.path[:1] = folders
sys.path.append(package)
for name in names:
    with contextlib.suppress(Exception):
        importlib.import_module(name)
from forkpoint.capture.provenance import packages
print()
print(json.dumps(packages()))
"""


def _python(provenance: Mapping[str, Any]) -> Iterator[str]:
    was = list(provenance.get("start", {}).get("python", sys.version_info[:3]))
    if was != list(sys.version_info[:3]):
        yield f"Python was {'.'.join(map(str, was))}, is {'.'.join(map(str, sys.version_info[:3]))}"


def _sources(provenance: Mapping[str, Any]) -> Iterator[str]:
    for path, digest in provenance.get("sources", {}).items():
        now = facts.source_digest(path)
        if now != digest:
            yield f"{path} has changed" if now is not None else f"{path} is gone"
