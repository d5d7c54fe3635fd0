"""`forkpoint log`: runs and restore points, newest first."""

from __future__ import annotations

from pathlib import Path

import click

from forkpoint.cli import options
from forkpoint.cli.outcome import Outcome
from forkpoint.journal import listing


@click.command("log")
@click.argument("run", required=False)
@options.store_option
@options.json_option
def log(run: str | None, store: Path | None, as_json: bool) -> Outcome:
    """List runs and their restore points, newest first.

    RUN is the beginning of a run's id, `latest`, or a restore point of it. Nothing is unpickled.
    """
    from forkpoint.cli import store as questions

    with questions.reader(store) as opened:
        runs = opened.runs() if run is None else (questions.find_run(opened, run),)
        value = {
            "runs": [listing.run_fields(item) for item in runs],
            "damages": [questions.damage_fields(item) for item in opened.damages],
        }
    return Outcome("log", value, as_json)
