"""`forkpoint restore`: choose a sound restore point and become the program that goes on from it."""

from __future__ import annotations

from typing import Any

import click

from forkpoint import settings as choices
from forkpoint.order import become
from forkpoint.say import say


@click.command()
@click.argument("ref", required=False)
@click.option("--store", metavar="DIR", help="Where restore points live.")
@click.option("--cwd", metavar="DIR", type=click.Path(exists=True, file_okay=False), help="Go on in this directory.")
@click.option("--files", type=click.Choice(["rollback", "leave"]), default="rollback", help="What to do with files.")
@click.option("--force", is_flag=True, help="Go on though files or libraries have changed since.")
@click.option("--trust", is_flag=True, help="Take a store whose key is not here by its checksums, under a new key.")
@click.option("--accept-rollback", is_flag=True, help="Go on with a store that is older than this machine knows it.")
@click.option("-q", "quiet", is_flag=True, help="Say only what must be said.")
def restore(ref: str | None, cwd: str | None, quiet: bool, **options: Any) -> None:
    """Go on from a restore point (default: the newest sound one of the newest unfinished run) in a new process."""
    from forkpoint.cli import comeback, putback
    from forkpoint.journal import home, lease
    from forkpoint.journal.reader import Reader
    from forkpoint.restore import changes

    settings = choices.load({"store": options["store"], "quiet": quiet})
    store = comeback.trusted(str(settings.store)) if options["trust"] else home.open_home(str(settings.store))
    if options["accept_rollback"]:
        comeback.accept_rollback(store)
    run = comeback.wait_until_dead(store, ref)
    held = lease.acquire(store, run)
    with Reader(store) as reader:
        plan = comeback.choose(reader, run, ref)
        comeback.must_be_this_python(plan.manifest)
        comeback.must_be_these_libraries(plan, store.path, force=options["force"])
        comeback.hold(store, run, plan)
    if options["files"] == "rollback":
        putback.put_back(store, plan, cwd, force=options["force"])
    lease.clear_end(store, run)
    for difference in changes.own(plan.manifest.provenance):
        say(f"{difference}: the program goes on as it was")
    if not quiet:
        say(f"run {run[:8]} goes on from {comeback.where(plan)}")
    then = plan.manifest.provenance["start"].get("settings", {})
    become(*comeback.order(plan, held, choices.from_plain({**then, "store": store.path, "quiet": quiet}), cwd=cwd))
