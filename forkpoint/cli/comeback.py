"""Choosing the restore point a program goes on from, and the order that makes it go on."""

from __future__ import annotations

import datetime
import errno
import os
import sys
from typing import TYPE_CHECKING

from forkpoint import errors, limits
from forkpoint import settings as choices
from forkpoint.cli.reporters.text import age
from forkpoint.ending import command
from forkpoint.journal import anchor, home, known, lease
from forkpoint.order import Order
from forkpoint.say import say

if TYPE_CHECKING:
    from forkpoint.journal.home import Home
    from forkpoint.journal.plan import RestorePlan
    from forkpoint.journal.reader import Reader
    from forkpoint.model import Manifest


def wait_until_dead(store: Home, ref: str | None) -> str:
    """The run to restore, once nothing writes for it any more: its last commit may still be under way.

    `ref` may be a run's id. Raises `Locked` while its program is alive: a live run is never resumed.
    """
    from forkpoint.journal.reader import Reader

    with Reader(store) as reader:
        run = reader.newest_unfinished().id if ref is None else reader.resolve(ref).run
    must_be_dead(store, run)
    return run


def trusted(path: str) -> Home:
    """The store at `path`; where its key is not here, put under a new one, as far as its checksums hold."""
    from forkpoint.journal import rekey
    from forkpoint.journal.home import open_home

    try:
        return open_home(path)
    except errors.KeyMissing:
        done = rekey.rekey(path)
    for loss in done.lost:
        say(loss)
    say(f"the store is trusted: {done.points} restore points, checked for damage only, are under a key of this machine")
    return done.home


def accept_rollback(store: Home) -> None:
    """Take a store that lost commits this machine knows of as it is, from now on; said if it did lose any."""
    from forkpoint.journal.reader import Reader

    with Reader(store, accept_rollback=True) as reader:
        if reader.rolled_back:
            say("the store is older than this machine knows it: what it has lost is given up")
            with store.writer_lock():
                anchor.forget(store)


def must_be_dead(store: Home, run: str) -> None:
    """Wait for the last commit of a dead program. Raises `Locked` while the program lives. Opens no journal."""
    if not lease.is_alive(store, run):
        return
    if lease.program_alive(store, run):
        raise errors.Locked(
            f"run {run[:8]} is alive",
            hint="wait until it ends, or stop it first; another --run-key, or --resume never, begins one beside it",
        )
    say("the program is dead, its last commit is still being written: waiting for it")
    if not lease.wait_for_child(store, run, limits.CHILD_DEADLINE_SECONDS):
        raise errors.Locked(f"run {run[:8]} is still being written")


def choose(reader: Reader, run: str, ref: str | None) -> RestorePlan:
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


def must_be_this_python(manifest: Manifest) -> None:
    """The call stack is made of this minor version's frames. Raises `RestoreFailed` for another one."""
    wanted = manifest.provenance["start"]["python"]
    if list(sys.version_info[:2]) != wanted[:2]:
        raise errors.RestoreFailed(
            f"the restore point was made by Python {wanted[0]}.{wanted[1]}, this is {sys.version_info[0]}."
            f"{sys.version_info[1]}: the call stack cannot go on here",
            hint=f"run forkpoint restore with Python {wanted[0]}.{wanted[1]}, or read variables with forkpoint.load()",
        )


def must_be_these_libraries(plan: RestorePlan, store: str, *, force: bool) -> None:
    """The program's code and objects are its own, its libraries are those that lie there now: others may go on
    otherwise. Raises `RestoreFailed` for another version of one, unless `force` is given; then it is only said.
    """
    from forkpoint.restore import changes

    differences = changes.packages(plan.manifest.provenance)
    if differences and not force:
        raise errors.RestoreFailed(
            f"the restore point was made with other libraries: {'; '.join(differences)}",
            hint=f"install them again; to go on with these: {command(plan.manifest.point[:12], store)} --force",
        )
    for difference in differences:
        say(f"{difference}: the program goes on with this one")


def where(plan: RestorePlan) -> str:
    """The restore point in words: which, where in the program, how old."""
    manifest = plan.manifest
    return (
        f"restore point {manifest.point[:12]} ({manifest.run[:8]}@{plan.seq}), {manifest.location}, "
        f"taken {_age(manifest.created_at)} ago"
    )


def _age(created_at: str) -> str:
    try:
        then = datetime.datetime.fromisoformat(created_at)
    except ValueError:
        return "an unknown time"
    return age((datetime.datetime.now(datetime.UTC) - then).total_seconds())


def hold(store: Home, run: str, plan: RestorePlan) -> None:
    """From here on nobody forgets what the run goes on from. Called under its lease, while a `Reader` still holds the
    point's packs. On a full disk the reserve is given back for it.
    """
    chunks = plan.packs_by_chunk()
    try:
        known.reset(store, run, plan.manifest.point, chunks)
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        with store.held() as root:
            home.free_reserve(root)
        known.reset(store, run, plan.manifest.point, chunks)


def order(
    plan: RestorePlan,
    held: lease.Lease,
    settings: choices.Settings,
    *,
    cwd: str | None = None,
) -> tuple[Order, dict[str, str]]:
    """What the process that goes on from `plan` is to do, and its environment. `settings` are those that hold now."""
    from forkpoint.restore import hashsecret

    start = plan.manifest.provenance["start"]
    plan_fd = os.memfd_create("forkpoint-plan", 0)
    with open(plan_fd, "wb", closefd=False) as stream:
        stream.write(plan.to_bytes())
    os.set_inheritable(plan_fd, True)
    made = Order(
        kind="restore",
        target="",
        arguments=[],
        run=plan.envelope.run.fields(),
        lease_fd=held.pass_on(),
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
    return made, environment
