"""`forkpoint doctor`: what this machine offers, each answer found by trying."""

from __future__ import annotations

from pathlib import Path

import click

from forkpoint.cli import options
from forkpoint.cli.outcome import Outcome


@click.command("doctor")
@options.store_option
@options.json_option
def doctor(store: Path | None, as_json: bool) -> Outcome:
    """Tell what this machine offers: kernel features, SQLite, the store's filesystem, memory, and installed libraries
    that are known to be unsafe to fork. Exit 1 if something that forkpoint cannot do without is missing.
    """
    from forkpoint import settings
    from forkpoint.cli import examination

    checks = examination.examine(settings.load_store(store))
    healthy = all(check.status != "fail" for check in checks)
    value = {"ok": healthy, "checks": [check.fields() for check in checks]}
    return Outcome("doctor", value, as_json, 0 if healthy else 1)
