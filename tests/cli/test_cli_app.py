"""The table of verbs: what is listed, what is imported, and which status an error ends in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_said import Verb

from forkpoint import errors
from forkpoint.cli import app


def test_every_verb_of_the_table_can_be_loaded_and_has_help() -> None:
    with click.Context(app.forkpoint) as context:
        for name in app.VERBS:
            command = app.forkpoint.get_command(context, name)
            assert command is not None
            assert command.help


def test_every_verb_takes_a_store_but_those_that_need_none() -> None:
    with click.Context(app.forkpoint) as context:
        for name in set(app.VERBS) - {"demo", "key"}:
            command = app.forkpoint.get_command(context, name)
            assert command is not None
            assert any("--store" in option.opts for option in command.params), name


def test_help_imports_no_verb() -> None:
    code = (
        "import sys\n"
        "from forkpoint.cli.app import main\n"
        "main(['--help'])\n"
        "assert not [name for name in sys.modules if name.startswith('forkpoint.cli.commands.')]\n"
        "assert not {'pysqlite3', 'numpy', 'psutil', 'rich'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in app.VERBS:
        assert name in done.stdout


def test_an_unknown_verb_is_a_usage_error_with_the_nearest(verb: Verb) -> None:
    said = verb("lgo")
    assert said.status == 2
    assert "log" in said.err


def test_an_unknown_option_is_2_but_125_for_run(verb: Verb) -> None:
    assert verb("log", "--nonsense").status == 2
    assert verb("run", "--nonsense", "x.py").status == 125


def test_version(verb: Verb) -> None:
    said = verb("--version")
    assert said.status == 0
    assert said.out.startswith("forkpoint ")


@pytest.mark.parametrize(
    ("error", "status", "under_run"),
    [
        (errors.ForkpointError("x"), 1, 125),
        (errors.UsageError("x"), 2, 125),
        (errors.NoStore("x"), 10, 125),
        (errors.Locked("x"), 11, 11),
        (errors.KeyMissing("x"), 12, 12),
        (errors.IntegrityError("x"), 13, 13),
        (errors.UnknownReference("x", candidates=("abcd",)), 14, 14),
        (errors.StartFailed("x"), 125, 125),
        (KeyboardInterrupt(), 130, 130),
        (PermissionError(13, "Permission denied", "/some/file"), 1, 125),
    ],
)
def test_each_error_ends_in_its_status(
    error: BaseException, status: int, under_run: int, verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(app.forkpoint, "main", fail)
    assert verb("log").status == status
    assert verb("run", "x.py").status == under_run


def test_an_error_says_what_and_what_to_do(verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise errors.UnknownReference("two lines\nof text", candidates=("abcd1234 train.py",), hint="do this")

    monkeypatch.setattr(app.forkpoint, "main", fail)
    assert verb("show").err.splitlines() == [
        "forkpoint: two lines",
        "forkpoint: of text",
        "forkpoint:   abcd1234 train.py",
        "forkpoint: do this",
    ]


def test_a_reader_that_has_had_enough_is_no_traceback(tmp_path: Path) -> None:
    code = "import sys; from forkpoint.cli.app import main; sys.exit(main(['--help']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
