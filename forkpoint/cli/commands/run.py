"""`forkpoint run`: begin a run and become the program."""

from __future__ import annotations

import datetime
import os
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from forkpoint import errors
from forkpoint import settings as choices
from forkpoint.order import Order, become, interpreter_flags
from forkpoint.say import say
from forkpoint.secrecy import redacted

if TYPE_CHECKING:
    from forkpoint.journal.runs import RunInfo

_SAID_BY_THE_STORE: Final = (errors.Locked, errors.KeyMissing, errors.IntegrityError, errors.UnknownReference)
"""These keep their own exit status: they are about the store and the run in it, not about starting a program."""


class Run(click.Command):
    """`run`, where everything after SCRIPT, `-m MODULE` or `-c CODE` is the program's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options of `run`, leaving the program's alone."""
        return super().parse_args(ctx, self._ended(args))

    def _ended(self, args: list[str]) -> list[str]:
        """The arguments with `--` where the program's own begin."""
        values = {name for param in self.params if not getattr(param, "is_flag", False) for name in param.opts}
        at = 0
        while at < len(args) and args[at].startswith("-") and args[at] not in ("-", "--"):
            attached = args[at][:2] in ("-m", "-c") and len(args[at]) > 2
            taken = 1 if attached or args[at] not in values else 2
            if args[at][:2] in ("-m", "-c"):
                return [*args[: at + taken], "--", *args[at + taken :]]
            at += taken
        return args


@click.command(cls=Run, context_settings={"allow_interspersed_args": False})
@click.option("--store", metavar="DIR", help="The store. Default: the nearest .forkpoint upward, else a new one here.")
@click.option("--encrypt", is_flag=True, help="Make a new store encrypted; one that is there has to be.")
@click.option("--every", metavar="SECONDS|auto", help="Time between automatic commits; fractions allowed.")
@click.option("--max-overhead", metavar="PCT", help="Budget for auto, default 1.")
@click.option("--resume", metavar="auto|never|always|REF", help="Whether to go on from an earlier run.")
@click.option("--run-key", metavar="TEXT", help="Part of the run's identity.")
@click.option("--restarts", metavar="N", help="After an abnormal death go on from the last point, at most N times.")
@click.option("--require-within", metavar="SECONDS", help="Stop the program rather than leave it unprotected longer.")
@click.option("--grace", metavar="SECONDS", help="Time for the last checkpoint after SIGTERM.")
@click.option("--keep-last", metavar="N", help="How many restore points to keep while running.")
@click.option("--keep-within", metavar="DUR", help="Keep restore points younger than this.")
@click.option("--max-file-bytes", metavar="N", help="Content of written files kept in restore points.")
@click.option("--max-staging-bytes", metavar="N", help="Memory for copies of what changes all the time; 0 for none.")
@click.option("--ignore-threads", metavar="GLOB", multiple=True, help="Threads whose work may be missing.")
@click.option("--on-error", type=click.Choice(["warn", "raise"]), help="What a failed commit does to the program.")
@click.option("--dry-run", is_flag=True, help="Say what would be saved, and save nothing.")
@click.option("-q", "quiet", is_flag=True, help="Say only what must be said.")
@click.option("-m", "module", metavar="MODULE", help="Run a module as the program.")
@click.option("-c", "code", metavar="CODE", help="Run a program given as text.")
@click.argument("script", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(script: str | None, arguments: tuple[str, ...], module: str | None, code: str | None, **options: Any) -> None:
    """Run an unmodified program, checkpointing it.

    Options come before SCRIPT; everything after it is the program's.
    """
    settings = choices.load(options)
    if module is not None or code is not None:
        arguments = (script, *arguments) if script is not None else arguments
    elif script is None:
        raise click.UsageError("name a SCRIPT, or use -m MODULE or -c CODE")
    kind, target = ("module", module) if module else ("command", code) if code is not None else ("script", script)
    assert target is not None
    if kind == "script":
        _must_be_runnable(target)
    if settings.disable:
        _become_plain_python(kind, target, arguments)
    _start(settings, kind, target, list(arguments))


def _must_be_runnable(path: str) -> None:
    """As a shell would: 127 when the program is not there, 126 when it cannot be read."""
    if path == "-":
        return
    if not os.path.exists(path):
        say(f"there is no program {path}")
        sys.exit(127)
    if not os.access(path, os.R_OK):
        say(f"{path} cannot be read")
        sys.exit(126)


def _become_plain_python(kind: str, target: str, arguments: tuple[str, ...]) -> NoReturn:
    option = {"script": [], "module": ["-m"], "command": ["-c"]}[kind]
    os.execv(sys.executable, [sys.executable, *option, target, *arguments])


def _start(settings: choices.Settings, kind: Any, target: str, arguments: list[str]) -> NoReturn:
    """Become the program, or with `--restarts` its supervisor. Raises `StartFailed` (125) when it cannot begin."""
    if os.environ.get("WORLD_SIZE", "1") not in ("", "0", "1"):
        raise errors.StartFailed(
            "WORLD_SIZE says that this is one of several ranks, and restore points of ranks are not coordinated yet",
            hint="FORKPOINT_DISABLE=1 runs the program without forkpoint",
        )
    if settings.dry_run:
        _rehearse(settings, kind, target, arguments)
    begun = _prepare(settings, kind, target, arguments)
    if not settings.restarts:
        become(*begun)
    from forkpoint.cli import supervisor

    def again(dead: Order) -> tuple[Order, dict[str, str]]:
        return _prepare(settings, kind, target, arguments, after=dead)

    supervisor.supervise(begun, again, settings.restarts)


def _prepare(
    settings: choices.Settings, kind: Any, target: str, arguments: list[str], *, after: Order | None = None
) -> tuple[Order, dict[str, str]]:
    """Decide whether to begin a run or to continue one, and which; `after`: the one that has just died.

    The journal learns of a new run with its first commit: opening SQLite here would cost every start a tenth of a
    second.
    """
    from forkpoint.cli import comeback, resumption
    from forkpoint.journal import home, keys, lineage

    try:
        new = not os.path.exists(os.path.join(settings.store, "FORMAT"))
        store = home.create(str(settings.store), encrypt=settings.encrypt)
        info = _new_run(settings, kind, target, arguments)
        order = _order(settings, info, kind, target, arguments)
        environment = seeded(dict(os.environ))
        if after is not None:
            found = resumption.restarted(store, settings, after)
        else:
            found = resumption.continued(store, settings, info)
        where = ""
        if found is not None:
            plan, order, environment = found
            where = f", goes on from {comeback.where(plan)}"
        else:
            order = order._replace(lease_fd=lineage.begin(store, info).pass_on())
    except _SAID_BY_THE_STORE:
        raise
    except (errors.ForkpointError, OSError) as problem:
        hint = getattr(problem, "hint", "")
        raise errors.StartFailed(f"the run could not begin: {problem}", hint=hint) from problem
    if not settings.quiet:
        if keys.device(store.key_id) != store.identity[0]:
            say("the key lies on another filesystem than the store, which needs it: `forkpoint key export`")
        if new and store.encrypted:
            say("the store is encrypted: nobody can restore it without its key, so keep a copy: `forkpoint key export`")
        say(f"store {store.path}, a commit every {policy(settings)}, run {order.run['id'][:8]}{where}")
    return order, environment


def _rehearse(settings: choices.Settings, kind: Any, target: str, arguments: list[str]) -> NoReturn:
    from forkpoint.cli import dryrun

    info = _new_run(settings, kind, target, arguments)
    order = _order(settings, info, kind, target, arguments)
    sys.exit(dryrun.rehearse(settings, info, order, seeded(dict(os.environ))))


def _order(settings: choices.Settings, info: RunInfo, kind: Any, target: str, arguments: list[str]) -> Order:
    """What begins a run; its lease is not held yet."""
    return Order(
        kind=kind,
        target=target,
        arguments=arguments,
        run=info.fields(),
        lease_fd=-1,
        settings=choices.as_plain(settings),
        flags=interpreter_flags(),
    )


def _new_run(settings: choices.Settings, kind: str, target: str, arguments: list[str]) -> RunInfo:
    from forkpoint.cli import resumption
    from forkpoint.journal import home
    from forkpoint.journal.runs import RunInfo

    return RunInfo(
        id=home.new_id(),
        program=target if kind != "command" else "-c",
        argv=(target, *redacted(arguments)),
        cwd=os.getcwd(),
        identity=resumption.identity(kind, target, arguments, settings.run_key),
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        facts={"kind": kind, "interpreter": resumption.interpreter()},
    )


def seeded(environment: dict[str, str]) -> dict[str, str]:
    """The environment with a hash seed: fixed, so that a restored process can have the same one."""
    if environment.get("PYTHONHASHSEED", "random") in ("", "random"):
        # 0 would switch randomization off.
        environment["PYTHONHASHSEED"] = str(1 + int.from_bytes(os.urandom(8), "big") % (2**32 - 1))
    return environment


def policy(settings: choices.Settings) -> str:
    """How often commits are taken, in words."""
    if settings.every == "auto":
        return f"1 s to 5 min within {settings.max_overhead:g} %"
    return f"{settings.every:g} s"
