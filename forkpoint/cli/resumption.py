"""`--resume`: whether a start continues an earlier run, and which; every decision is said on stderr."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING, Final

from forkpoint import errors
from forkpoint.cli import comeback, putback
from forkpoint.ending import PREEMPTED, command
from forkpoint.journal import known, lease, lineage
from forkpoint.say import say

if TYPE_CHECKING:
    from forkpoint import settings as choices
    from forkpoint.journal.home import Home
    from forkpoint.journal.plan import RestorePlan
    from forkpoint.journal.reader import Reader
    from forkpoint.journal.runs import RunInfo
    from forkpoint.order import Order

_VARIABLES: Final = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "RANK", "WANDB_RUN_ID")
"""What tells starts of one command line apart: array tasks, ranks, named experiments."""


def identity(kind: str, target: str, arguments: list[str], run_key: str) -> str:
    """32 hex digits that are equal for starts of the same program; the interpreter is compared on its own."""
    program = os.path.realpath(target) if kind == "script" and target != "-" else target
    told = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    facts = [kind, program, arguments, os.getcwd(), run_key, told]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def interpreter() -> str:
    """Which Python this is, whatever its version: an environment that is updated in place stays the same one."""
    return os.path.realpath(sys.prefix)


def continued(
    store: Home, settings: choices.Settings, info: RunInfo
) -> tuple[RestorePlan, Order, dict[str, str]] | None:
    """The point that this start goes on from, its order and environment; None to begin `info`, a new run.

    Raises `Locked` while the run that would be continued is alive, `UnknownReference` and `IntegrityError` for what
    cannot be gone on from, `RestoreFailed` where its files cannot be put back.
    """
    if settings.resume == "never" or (info.facts["kind"], info.program) == ("script", "-"):
        return None
    if settings.resume not in ("auto", "always"):
        return _from_reference(store, settings, info)
    run = _heir(store, settings, info)
    return None if run is None else _from_newest(store, settings, run, changed_or_not=False)


def restarted(store: Home, settings: choices.Settings, dead: Order) -> tuple[RestorePlan, Order, dict[str, str]] | None:
    """The newest sound point of the run whose program was just killed; None when it has none, or its libraries are
    others by now. Its own files may have changed.
    """
    run: str = dead.run["id"]
    comeback.must_be_dead(store, run)
    return _from_newest(store, settings, run, changed_or_not=True)


def _from_newest(
    store: Home, settings: choices.Settings, run: str, *, changed_or_not: bool
) -> tuple[RestorePlan, Order, dict[str, str]] | None:
    """The newest sound point of a dead run; None when it has none, or the program has changed since and that counts."""
    from forkpoint.journal.reader import Reader

    held = lease.acquire(store, run)
    with Reader(store) as reader:
        plan = comeback.choose(reader, run, None) if _has_points(reader, run) else None
        unchanged = _same_libraries if changed_or_not else _unchanged
        if plan is None or not unchanged(plan, settings, store):
            held.release()
            return None
        comeback.hold(store, run, plan)
    return _go_on(store, settings, plan, held)


def _go_on(
    store: Home, settings: choices.Settings, plan: RestorePlan, held: lease.Lease
) -> tuple[RestorePlan, Order, dict[str, str]]:
    """The files are as at the point; what is left is to become the program."""
    putback.put_back(store, plan, None, force=False)
    lease.clear_end(store, plan.manifest.run)
    return plan, *comeback.order(plan, held, settings)


def _has_points(reader: Reader, run: str) -> bool:
    """Whether the run died late enough to have one; a run without any is not in the journal at all."""
    if any(point.run == run for point in reader.points()):
        return True
    say(f"run {run[:8]} died before its first restore point: the program starts anew")
    return False


def _heir(store: Home, settings: choices.Settings, info: RunInfo) -> str | None:
    """The newest run of this identity, if it is to be continued. Opens no journal."""
    if not lineage.complete(store):
        _rebuild_lineage(store)
    earlier = lineage.runs(store, info.identity)
    here = interpreter()
    run = next((run for run, python in earlier if python == here), None)
    if run is None:
        if earlier:
            say(f"run {earlier[0][0][:8]} of this program was by another Python, {earlier[0][1]}: starting anew")
        return None
    comeback.must_be_dead(store, run)
    noted = lease.end(store, run)
    if noted is None or (not noted[0] and (settings.resume == "always" or noted[1] == PREEMPTED)):
        return run
    finished, status = noted
    if (not finished or status) and not settings.quiet:
        how = f"exited with {status}" if finished else "was interrupted" if status == 130 else "ended by an exception"
        say(f"run {run[:8]} {how}: the program starts anew")
        if known.base(store, run) is not None:
            say(f"to go on from its last restore point instead: {command(run[:8], store.path)}")
    return None


def _rebuild_lineage(store: Home) -> None:
    """A store that came without its lineage: what the journal knows of runs, oldest first."""
    from forkpoint.journal.reader import Reader
    from forkpoint.journal.runs import RunInfo

    with Reader(store) as reader:
        for run in reversed(reader.runs()):
            if run.identity:
                lineage.note(store, RunInfo(run.id, run.program, identity=run.identity, facts=run.facts))
    lineage.mark(store)


def _unchanged(plan: RestorePlan, settings: choices.Settings, store: Home) -> bool:
    """Whether the program still is the one that the point was made by; what differs is named."""
    from forkpoint.restore import changes

    differences = (*changes.own(plan.manifest.provenance), *changes.packages(plan.manifest.provenance))
    if settings.resume == "auto":
        differences += tuple(putback.impossible(store, plan))
    for difference in differences:
        say(difference)
    if settings.resume == "always":
        comeback.must_be_this_python(plan.manifest)
        if differences:
            say("the program goes on all the same, as --resume always asks for")
    elif differences:
        say_anew(plan, store.path)
    return settings.resume == "always" or not differences


def _same_libraries(plan: RestorePlan, settings: choices.Settings, store: Home) -> bool:
    """Whether the libraries are those the point was made with; what differs is named."""
    from forkpoint.restore import changes

    differences = changes.packages(plan.manifest.provenance)
    for difference in differences:
        say(difference)
    if differences:
        say_anew(plan, store.path)
    return not differences


def say_anew(plan: RestorePlan, store: str) -> None:
    """That something has changed since, and how to go on all the same."""
    say(f"changed since restore point {plan.manifest.point[:12]}: the program starts anew")
    say(f"to go on as it was instead: {command(plan.manifest.point[:12], store)}")


def _from_reference(
    store: Home, settings: choices.Settings, info: RunInfo
) -> tuple[RestorePlan, Order, dict[str, str]]:
    """The point that `--resume REF` names, for this very program."""
    from forkpoint.journal.reader import Reader
    from forkpoint.restore import changes

    run = comeback.wait_until_dead(store, settings.resume)
    held = lease.acquire(store, run)
    with Reader(store) as reader:
        plan = comeback.choose(reader, run, settings.resume)
        was = plan.envelope.run
        if (was.facts.get("kind"), was.program) != (info.facts["kind"], info.program):
            raise errors.StartFailed(
                f"{settings.resume} is a restore point of {was.program}, not of {info.program}",
                hint=f"to go on with that program: {command(settings.resume, store.path)}",
            )
        comeback.must_be_this_python(plan.manifest)
        comeback.must_be_these_libraries(plan, store.path, force=False)
        comeback.hold(store, run, plan)
    for difference in changes.own(plan.manifest.provenance):
        say(f"{difference}: the program goes on as it was")
    return _go_on(store, settings, plan, held)
