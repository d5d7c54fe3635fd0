"""Environment variables: what the program changed wins; elsewhere the new machine's stay and differences are told.

They are there before anything is imported: many a program sets first what a library looks at when it is loaded.

Variables whose names look like secrets are never saved, only that they were there.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.say import say
from forkpoint.secrecy import is_secret

_OURS: Final = re.compile(r"FORKPOINT_|PYTHONHASHSEED$|LD_PRELOAD$")
"""Set by `run` and `restore` for the process they start; not the program's."""

_SESSION: Final = re.compile(
    r"(_|COLUMNS|DBUS_\w+|DISPLAY|HOSTNAME|LINES|LOGNAME|MAIL|OLDPWD|PS1|PWD|SHELL|SHLVL|SSH_\w+|STY|TERM|TERM_PROGRAM|"
    r"TMUX|TMUX_PANE|USER|WINDOWID|XDG_\w+)$"
)
"""Differ from one login to the next and say nothing about the program; not worth a warning."""

_started_with: dict[str, str] | None = None


def _kept(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if not is_secret(name) and not _OURS.match(name)}


def _baseline() -> dict[str, str]:
    """The environment the program was started with, in its first process."""
    if _started_with is not None:
        return _started_with
    entries = (entry.partition(b"=") for entry in Path("/proc/self/environ").read_bytes().split(b"\0"))
    return _kept({os.fsdecode(name): os.fsdecode(value) for name, _, value in entries if name})


def _zone_is_in_force() -> bool:
    """Does `TZ` say what the clock says, so that the program has called time.tzset() since it changed it, if it did?

    Only to be called where nobody is left to see the clock change: in the child.
    """
    before = time.tzname, time.timezone, time.altzone
    time.tzset()
    return before == (time.tzname, time.timezone, time.altzone)


def _apply(changed: Mapping[str, Any]) -> None:
    os.environ.update(changed["set"])
    for name in changed["removed"]:
        os.environ.pop(name, None)


class _Environment(Quiet):
    name = "environment"
    module = "os"

    def facts(self) -> dict[str, Any]:
        # A copy: what a module of a library holds, and this is one, would be saved by name and found empty there.
        baseline, now = dict(_baseline()), _kept(os.environ)
        return {
            "started_with": baseline,
            "set": {name: value for name, value in now.items() if baseline.get(name) != value},
            "removed": sorted(baseline.keys() - now.keys()),
            "secrets": sorted(name for name in os.environ if is_secret(name)),
        }

    def prepare(self, found: dict[str, Any]) -> None:
        global _started_with
        _started_with = found["started_with"]
        different = []
        for name, value in _started_with.items():
            if name in found["set"] or name in found["removed"]:
                continue
            if name not in os.environ:
                os.environ[name] = value  # nothing here speaks against what the program was started with
            elif os.environ[name] != value and not _SESSION.match(name):
                different.append(name)
        _apply(found)
        missing = [name for name in found["secrets"] if name not in os.environ]
        if different:
            say(f"environment variables differ from those the program was started with: {', '.join(different)}")
        if missing:
            say(
                f"environment variables are never saved when their names look secret, and are not set here: "
                f"{', '.join(missing)}"
            )

    def capture(self, before: None) -> dict[str, Any]:
        changed = self.facts()
        return {"set": changed["set"], "removed": changed["removed"], "zone": _zone_is_in_force()}

    def restore(self, state: dict[str, Any]) -> None:
        _apply(state)  # again: libraries that were imported meanwhile have set theirs
        if state["zone"]:
            time.tzset()


ADAPTER = _Environment()
