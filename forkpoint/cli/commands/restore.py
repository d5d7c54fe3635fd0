"""`forkpoint restore`: choose a sound restore point and become the program that goes on from it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from forkpoint import errors, limits
from forkpoint import settings as choices
from forkpoint.cli.commands.run import become
from forkpoint.model import Manifest, Touch
from forkpoint.order import Order
from forkpoint.restore import hashsecret
from forkpoint.say import say

if TYPE_CHECKING:
    from forkpoint.journal.home import Home
    from forkpoint.journal.plan import RestorePlan
    from forkpoint.journal.reader import Reader

_FILES_TOLD = 20
"""Changed files named one by one; a program may have written thousands."""


@click.command()
@click.argument("ref", required=False)
@click.option("--store", metavar="DIR", help="Where restore points live.")
@click.option("--cwd", metavar="DIR", type=click.Path(exists=True, file_okay=False), help="Go on in this directory.")
@click.option("--files", type=click.Choice(["rollback", "leave"]), default="rollback", help="What to do with files.")
@click.option("--force", is_flag=True, help="Go on though files have changed since.")
@click.option("--trust", is_flag=True, help="Accept a store that was made with another key.")
@click.option("-q", "quiet", is_flag=True, help="Say only what must be said.")
def restore(ref: str | None, cwd: str | None, quiet: bool, **options: Any) -> None:
    """Go on from a restore point (default: the newest sound one of the newest unfinished run) in a new process."""
    from forkpoint.journal import home, known, lease
    from forkpoint.journal.reader import Reader

    settings = choices.load({"store": options["store"], "quiet": quiet})
    store = home.open_home(str(settings.store))
    run = _wait_until_dead(store, ref)
    held = lease.acquire(store, run)
    with Reader(store) as reader:
        plan = _choose(reader, run, ref)
        # While the reader still holds its packs: from here on nobody forgets what this run stands on.
        known.reset(store, run, plan.manifest.point, plan.packs_by_chunk())
    _must_be_this_python(plan.manifest)
    if options["files"] == "rollback":
        _put_files_back(store, plan, cwd, force=options["force"])
    lease.clear_end(store, run)
    if not quiet:
        say(f"run {run[:8]} goes on from restore point {plan.manifest.point[:12]}, {plan.manifest.location}")
    _become(settings, plan, held.pass_on(), store.path, cwd)


def _wait_until_dead(store: Home, ref: str | None) -> str:
    """The run to restore, once nothing writes for it any more: its last commit may still be under way.

    Raises `Locked` while its program is alive: a live run is never resumed.
    """
    from forkpoint.journal import lease
    from forkpoint.journal.reader import Reader

    with Reader(store) as reader:
        run = reader.newest_unfinished() if ref is None else reader.run(reader.resolve(ref).run)
    if run.program_alive:
        raise errors.Locked(f"run {run.id[:8]} is alive", hint="wait until it ends, or stop it first")
    if run.child_alive:
        say("the program is dead, its last commit is still being written: waiting for it")
        if not lease.wait_for_child(store, run.id, limits.CHILD_DEADLINE_SECONDS):
            raise errors.Locked(f"run {run.id[:8]} is still being written")
    return run.id


def _choose(reader: Reader, run: str, ref: str | None) -> RestorePlan:
    """The restore point to go on from, every byte of it checked. What is passed over is named on stderr."""
    if ref is None:
        sound = reader.newest_sound(run)
        for damage in sound.skipped:
            say(f"damaged and passed over: {damage}")
        for point in sound.incomplete:
            say(f"passed over, since something in it was not captured: {point.id[:12]} ({point.reference})")
        return sound.plan
    point = reader.resolve(ref)
    damages = reader.sound(point)
    if damages:
        raise errors.IntegrityError(
            f"restore point {point.id[:12]} is damaged: " + "; ".join(map(str, damages)),
            hint="forkpoint restore without REF takes the newest sound one",
        )
    return reader.plan(point)


def _must_be_this_python(manifest: Manifest) -> None:
    """The call stack is made of this minor version's frames. Raises `RestoreFailed` for another one."""
    wanted = manifest.provenance["start"]["python"]
    if list(sys.version_info[:2]) != wanted[:2]:
        raise errors.RestoreFailed(
            f"the restore point was made by Python {wanted[0]}.{wanted[1]}, this is {sys.version_info[0]}."
            f"{sys.version_info[1]}: the call stack cannot go on here",
            hint=f"run forkpoint restore with Python {wanted[0]}.{wanted[1]}, or read variables with forkpoint.load()",
        )
    if list(sys.version_info[:3]) != wanted:
        say(f"made by Python {'.'.join(map(str, wanted))}, going on in {sys.version.split()[0]}")


def _put_files_back(store: Home, plan: RestorePlan, cwd: str | None, *, force: bool) -> None:
    """Make the program's files what they were at the restore point, saying what is changed.

    Raises `RestoreFailed`, before anything is changed, when a file cannot be put back and `force` is not given.
    """
    from forkpoint.capture.written import look
    from forkpoint.journal import filelog
    from forkpoint.journal.packfile import PackReader
    from forkpoint.restore import files

    manifest = plan.manifest
    source = PackReader(store, plan)
    try:
        stored = files.Stored(manifest.pods, source, lambda touch: filelog.open_kept(store, touch))
        moved = files.relocation(manifest.provenance["start"].get("cwd", plan.envelope.run.cwd), cwd)
        steps = files.plan(manifest.files, _touches(store, manifest.run), look, stored, moved)
        impossible = [step for step in steps if step.action == "impossible"]
        if impossible and not force:
            raise errors.RestoreFailed(
                "; ".join(map(str, impossible)),
                hint="--force goes on all the same, --files leave without touching any file",
            )
        for step in steps[:_FILES_TOLD]:
            say(str(step))
        if len(steps) > _FILES_TOLD:
            say(f"and {len(steps) - _FILES_TOLD} more files")
        files.perform(steps, stored, os.path.join(store.path, "aside", manifest.point))
    finally:
        source.close()


def _touches(store: Home, run: str) -> list[Touch]:
    from forkpoint.journal import filelog

    try:
        return filelog.touches(store, run)
    except errors.IntegrityError as problem:
        problem.hint = "--files leave goes on without touching any file"
        raise


def _become(settings: choices.Settings, plan: RestorePlan, lease_fd: int, store: str, cwd: str | None) -> NoReturn:
    start = plan.manifest.provenance["start"]
    settings = choices.from_plain({**start.get("settings", {}), "store": store, "quiet": settings.quiet})
    plan_fd = os.memfd_create("forkpoint-plan", 0)
    with open(plan_fd, "wb", closefd=False) as stream:
        stream.write(plan.to_bytes())
    os.set_inheritable(plan_fd, True)
    order = Order(
        kind="restore",
        target="",
        arguments=[],
        run=plan.envelope.run.fields(),
        lease_fd=lease_fd,
        settings=choices.as_plain(settings),
        plan_fd=plan_fd,
        cwd=cwd,
        flags=start["flags"],
    )
    environment = dict(os.environ)
    environment.pop("PYTHONHASHSEED", None)
    if start["hash_seed"] not in ("", "random"):
        environment["PYTHONHASHSEED"] = start["hash_seed"]
    else:
        environment.update(hashsecret.environment_for(bytes.fromhex(start["hash_secret"])))
    become(order, environment)
