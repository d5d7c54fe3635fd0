"""`forkpoint forget`: retention, and the space it frees."""

from __future__ import annotations

from pathlib import Path

import click

from forkpoint import limits
from forkpoint.cli import options
from forkpoint.cli.outcome import Outcome


@click.command("forget")
@click.argument("run", required=False)
@click.option("--keep-last", metavar="N", type=click.IntRange(min=1), help="Keep the newest N of each run.")
@click.option("--keep-within", metavar="DUR", type=options.Duration(), help="Keep those younger: 90s, 2h, 3d.")
@click.option("--drop-labelled", is_flag=True, help="Let labelled restore points go as well.")
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and forget nothing.")
@options.store_option
@options.json_option
def forget(
    run: str | None,
    keep_last: int | None,
    keep_within: float | None,
    drop_labelled: bool,
    dry_run: bool,
    store: Path | None,
    as_json: bool,
) -> Outcome:
    """Forget the restore points that no rule keeps, of RUN or of all runs, and free what nothing needs any more.

    The newest of each run, the newest complete one, and what a live run builds on always stay. Without a rule the
    newest 5 of each run are kept. Safe beside running programs: what they still read is freed later.
    """
    from forkpoint.cli import store as questions
    from forkpoint.journal import retention

    home = questions.home(store)
    chosen = None
    if run is not None:
        with questions.reader(store) as opened:
            chosen = questions.find_run(opened, run).id
    fallback = limits.KEEP_LAST_POINTS if keep_within is None else 1
    policy = retention.Policy(keep_last or fallback, keep_within or 0.0, not drop_labelled)
    forgotten = retention.forget(home, policy, run=chosen, dry_run=dry_run)
    value = {
        "dry_run": dry_run,
        "points": list(forgotten.points),
        "packs": list(forgotten.packs),
        "waiting": list(forgotten.waiting),
        "swept": list(forgotten.swept),
        "bytes_freed": forgotten.bytes_freed,
    }
    return Outcome("forget", value, as_json)
