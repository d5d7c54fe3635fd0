"""`forkpoint show REF`: one restore point, and what it holds."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from forkpoint.cli import options
from forkpoint.cli.outcome import Outcome
from forkpoint.journal import listing
from forkpoint.journal.points import Run
from forkpoint.model import Manifest
from forkpoint.obstacles import advice

_PLACES_SHOWN: Final = 5


@click.command("show")
@click.argument("ref", default="latest")
@options.store_option
@options.json_option
def show(ref: str, store: Path | None, as_json: bool) -> Outcome:
    """Show one restore point: where in the program, why it was taken, its variables with type, shape and size,
    what was not captured, and what stands in the way of commits.

    REF is the beginning of an id, `latest`, `latest~3`, RUN, RUN@SEQ or a label. Nothing is unpickled.
    """
    from forkpoint.cli import store as questions
    from forkpoint.journal.pack_place import relative_path

    with questions.reader(store) as opened:
        point = opened.resolve(ref)
        manifest = opened.plan(point).manifest
        run = opened.run(point.run)
        value = {
            **listing.point_fields(point),
            "parent": point.parent,
            "program": run.program,
            "argv": list(run.argv),
            "state": run.state,
            **rhythm(run),
            **contents(manifest),
            "advice": {item.reason: advice(item.reason) for item in manifest.refusals},
            "packs": [relative_path(pack) for pack in point.packs],
        }
    return Outcome("show", value, as_json)


def rhythm(run: Run) -> dict[str, Any]:
    """Where the commits of this run happen, most often first, and how long ago the newest was."""
    places = Counter(point.location for point in run.points)
    now = datetime.datetime.now(datetime.UTC)
    newest = datetime.datetime.fromisoformat(run.points[0].created_at)
    return {
        "commits_at": [{"location": place, "count": count} for place, count in places.most_common(_PLACES_SHOWN)],
        "newest_seconds_ago": round((now - newest).total_seconds(), 1),
    }


def contents(manifest: Manifest) -> dict[str, Any]:
    """What a restore point holds, as `show --json` publishes it."""
    return {
        "stdout_bytes": manifest.stdout_bytes,
        "split_ms": dict(manifest.split_ms),
        "variables": [item._asdict() for item in manifest.variables],
        "tombstones": [item._asdict() for item in manifest.tombstones],
        "refusals": [item._asdict() for item in manifest.refusals],
        "files": [item._asdict() for item in manifest.files],
        "provenance": without_secrets(manifest.provenance),
    }


def without_secrets(value: Any) -> Any:
    """The same JSON without the hash secret: whoever knows it can make a program's dicts slow."""
    if isinstance(value, Mapping):
        return {name: without_secrets(item) for name, item in value.items() if name != "hash_secret"}
    return value
