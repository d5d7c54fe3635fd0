"""`forkpoint doctor`: what this machine offers, each answer found by trying."""

from __future__ import annotations

from pathlib import Path

import click

from forkpoint.cli import options
from forkpoint.cli.outcome import Outcome


@click.command("doctor")
@options.store_option
@click.option("--objects", is_flag=True, help="Try which kinds of objects are saved, and come back equal; minutes.")
@options.json_option
def doctor(store: Path | None, objects: bool, as_json: bool) -> Outcome:
    """Tell what this machine offers: kernel features, SQLite, the store's filesystem, memory, and installed libraries
    that are known to be unsafe to fork. Exit 1 if something that forkpoint cannot do without is missing.

    With --objects, instead: a table of the objects that programs hold, of the libraries installed here. Exit 1 if one
    does not come back as it should.
    """
    if objects:
        from forkpoint.cli.objects import catalogue, trial

        rows = [row for library in catalogue.libraries() for row in trial.try_library(library)]
        as_known = all(row.expected for row in rows)
        table = {"ok": as_known, "objects": [row.fields() for row in rows]}
        return Outcome("objects", table, as_json, 0 if as_known else 1)
    from forkpoint import settings
    from forkpoint.cli import examination

    checks = examination.examine(settings.load_store(store))
    healthy = all(check.status != "fail" for check in checks)
    value = {"ok": healthy, "checks": [check.fields() for check in checks]}
    return Outcome("doctor", value, as_json, 0 if healthy else 1)
