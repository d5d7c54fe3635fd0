"""What runs and restore points say in the journal's rows; in an encrypted store, hidden where it tells of the program.

Whoever knows a run or a manifest makes the row's values here, tags apart: the child does before it becomes the
committer, which then writes them without being able to read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps, loads  # by name: the program may put something else into `json`
from typing import Any

from forkpoint.journal.home import Home
from forkpoint.journal.runs import RunInfo
from forkpoint.journal.seal import Seal
from forkpoint.model import Manifest

_RUN = ("program", "argv", "cwd", "identity", "facts")
"""The columns of a run that are hidden; of a restore point, label and location are."""


def _text(value: Any) -> str:
    return dumps(value, separators=(",", ":"))


def of_run(home: Home, run: RunInfo) -> dict[str, Any]:
    """A run's row."""
    row = {**run.fields(), "argv": _text(list(run.argv)), "facts": _text(run.facts)}
    return {**row, **{name: home.seal.hide("run", row[name]) for name in _RUN}}


def run_in(key: Seal, row: Mapping[str, Any]) -> RunInfo:
    """The run in an authenticated row. Raises `IntegrityError`, ValueError, TypeError or RecursionError for what this
    version does not write.
    """
    shown = {name: key.show("run", row[name]) for name in _RUN}
    return RunInfo(
        row["id"],
        shown["program"],
        loads(shown["argv"]),
        shown["cwd"],
        shown["identity"],
        row["created_at"],
        loads(shown["facts"]),
    )


def of_point(home: Home, manifest: Manifest) -> dict[str, Any]:
    """What of a manifest goes into the restore point's row."""
    return {
        "id": manifest.point,
        "run": manifest.run,
        "parent": manifest.parent,
        "label": None if manifest.label is None else home.seal.hide("point", manifest.label),
        "trigger": manifest.trigger,
        "created_at": manifest.created_at,
        "location": home.seal.hide("point", manifest.location),
        "complete": bool(manifest.complete),
        "bytes_total": int(manifest.bytes_total),
        "stop_ms": float(manifest.stop_ms),
    }


def label_in(key: Seal, row: Mapping[str, Any]) -> str | None:
    """The label in a restore point's authenticated row."""
    return None if row["label"] is None else key.show("point", row["label"])


def location_in(key: Seal, row: Mapping[str, Any]) -> str:
    """The location in a restore point's authenticated row."""
    return key.show("point", row["location"])
