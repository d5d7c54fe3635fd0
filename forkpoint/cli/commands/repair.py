"""`forkpoint repair`: what is whole of a damaged store goes on, what is damaged is put aside."""

from __future__ import annotations

from pathlib import Path

import click

from forkpoint.cli import options
from forkpoint.cli.outcome import Outcome

PARTIAL = 3


@click.command("repair")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--accept-rollback", is_flag=True, help="Also for a store that is older than this machine knows it.")
@options.store_option
@options.json_option
def repair(dry_run: bool, accept_rollback: bool, store: Path | None, as_json: bool) -> Outcome:
    """Make a damaged store good: the journal is made anew from the packs, damaged packs and journals are put aside.

    Nothing is deleted: they lie in the store's quarantine/ until you remove them. Restore points that are whole stay;
    exit 3 if any is lost. Runs must be dead.
    """
    from forkpoint.cli import store as questions
    from forkpoint.journal import repair as repairing

    home = questions.home(store)
    done = repairing.repair(home, accept_rollback=accept_rollback, dry_run=dry_run)
    value = {
        "dry_run": dry_run,
        "damages": [questions.damage_fields(damage) for damage in done.damages],
        "points": list(done.points),
        "recovered": list(done.recovered),
        "lost": [{"id": lost.id, "ref": lost.reference, "variables": list(lost.variables)} for lost in done.lost],
        "packs": list(done.packs),
        "rewritten": list(done.rewritten),
        "quarantine": done.quarantine,
    }
    return Outcome("repair", value, as_json, PARTIAL if done.lost else 0)
