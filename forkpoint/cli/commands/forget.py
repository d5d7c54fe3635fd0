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
@click.option("--keep-hourly", metavar="N", type=click.IntRange(min=1), help="Keep one an hour, for N hours.")
@click.option("--keep-labelled", is_flag=True, help="Keep those that checkpoint() gave a label.")
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and forget nothing.")
@options.store_option
@options.json_option
def forget(
    run: str | None,
    keep_last: int | None,
    keep_within: float | None,
    keep_hourly: int | None,
    keep_labelled: bool,
    dry_run: bool,
    store: Path | None,
    as_json: bool,
) -> Outcome:
    """Forget the restore points that no rule keeps, of RUN or of all runs, and free what nothing needs any more.

    The newest of each run, the newest complete one, and what a live run builds on always stay. Without a rule those
    of a run hold: the newest 5, one an hour for a day, labelled ones. Safe beside running programs: what they still
    read is freed later.
    """
    from forkpoint.cli import store as questions
    from forkpoint.journal import retention

    home = questions.home(store)
    chosen = None
    if run is not None:
        with questions.reader(store) as opened:
            chosen = questions.find_run(opened, run).id
    if keep_last is keep_within is keep_hourly is None and not keep_labelled:
        keep_last, keep_hourly, keep_labelled = limits.KEEP_LAST_POINTS, limits.KEEP_HOURS, True
    policy = retention.Policy(
        keep_last or 1,
        keep_within_seconds=keep_within or 0.0,
        keep_hours=keep_hourly or 0,
        keep_labelled=keep_labelled,
    )
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
