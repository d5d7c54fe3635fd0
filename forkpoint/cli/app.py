"""The table of verbs, each imported only when used, and the exit status every error ends in."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from forkpoint import __version__
from forkpoint.cli.outcome import Outcome
from forkpoint.errors import ForkpointError, IntegrityError, KeyMissing, Locked, UnknownReference
from forkpoint.say import say

VERBS: Final[dict[str, str]] = {
    "run": "Run an unmodified program, checkpointing it.",
    "restore": "Go on from a restore point in a new process.",
    "log": "List runs and restore points, newest first.",
    "show": "Show one restore point: where, why, and what it holds.",
    "verify": "Check every invariant and checksum.",
    "repair": "Put what is damaged aside, and make the journal anew.",
    "forget": "Forget restore points that retention does not keep, freeing space.",
    "key": "Export or import the store's key.",
    "doctor": "Tell what this machine offers, and what is missing.",
    "demo": "Train a model, kill it half way, restore it, compare bit for bit.",
}

FAILED: Final = 1
USAGE: Final = 2
BEFORE_START: Final = 125
INTERRUPTED: Final = 130

# These say something about the store that `run` was pointed at; everything else of ours that stops `run` happened
# before the program started, and must not look like a status of the program.
_RUN_KEEPS: Final = (Locked, KeyMissing, IntegrityError, UnknownReference)


class Verbs(click.Group):
    """A group that knows its verbs by the table and imports `cli/commands/<verb>.py` when one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the table: the main job first."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb: the function of that name in the module of that name."""
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(f"forkpoint.cli.commands.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, and say which verb an unknown one may have meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], VERBS, n=1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {close[0]!r}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"forkpoint {__version__}")
        ctx.exit()


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every option of `run` is also read from FORKPOINT_<OPTION> and from [tool.forkpoint] in pyproject.toml.",
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def forkpoint() -> None:
    """Durable, resumable, versioned Python programs: kill -9 one, and it goes on inside the loop it was in."""


def main(arguments: Sequence[str]) -> int:
    """Run one verb, print what it returns, and give the exit status. Usage errors are 2, and 125 for `run`."""
    is_run = _verb_of(arguments) == "run"
    _keep_standard_numbers()
    try:
        result = forkpoint.main(args=list(arguments), prog_name="forkpoint", standalone_mode=False)
        if isinstance(result, Outcome):
            _print(result)
            return result.exit_status
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return BEFORE_START if is_run else error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except ForkpointError as error:
        say_error(error)
        return BEFORE_START if is_run and not isinstance(error, _RUN_KEEPS) else error.exit_status
    except BrokenPipeError:
        # Whoever read our output has had enough (`forkpoint log | head`). Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return BEFORE_START if is_run else FAILED


def _keep_standard_numbers() -> None:
    """Nothing of ours may get the number of a standard stream that was closed: not a file of the store, which would be
    written to, nor what an exec'd program inherits, which would take it for its stream. Closed again by exec.
    """
    while (fd := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= 2:
        pass
    os.close(fd)


def say_error(error: ForkpointError) -> None:
    """What went wrong, what it could have meant, and what to do next."""
    say(str(error))
    if isinstance(error, UnknownReference):
        for candidate in error.candidates:
            say(f"  {candidate}")
    if error.hint:
        say(error.hint)


def _verb_of(arguments: Sequence[str]) -> str:
    return next((argument for argument in arguments if not argument.startswith("-")), "")


def _print(outcome: Outcome) -> None:
    if sys.stdout is None:
        return
    if outcome.as_json:
        from forkpoint.cli.reporters import json

        json.write(outcome, sys.stdout)
    elif sys.stdout.isatty() and "NO_COLOR" not in os.environ and importlib.util.find_spec("rich") is not None:
        from forkpoint.cli.reporters import colour

        colour.write(outcome, sys.stdout)
    else:
        from forkpoint.cli.reporters import text

        text.write(outcome, sys.stdout)
    sys.stdout.flush()
