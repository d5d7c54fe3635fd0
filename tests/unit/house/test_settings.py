"""Settings: what wins over what, what is refused, and which store is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forkpoint import limits, settings
from forkpoint.errors import UsageError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory of its own with a project inside, so that no real store or pyproject.toml is met."""
    (tmp_path / "project" / "deep").mkdir(parents=True)
    return tmp_path


def load(home: Path, arguments: dict[str, object] | None = None, **environ: str) -> settings.Settings:
    return settings.load(arguments, environ={"HOME": str(home), **environ}, directory=home / "project")


def write_project(home: Path, *lines: str) -> Path:
    path = home / "project" / "pyproject.toml"
    path.write_text("\n".join(["[tool.forkpoint]", *lines]))
    return path


def test_defaults_are_those_of_limits(home: Path) -> None:
    chosen = load(home)
    assert chosen.every == "auto"
    assert chosen.keep_last == limits.KEEP_LAST_POINTS
    assert chosen.max_file_bytes == limits.MAX_FILE_BYTES
    assert chosen.store == home / "project" / ".forkpoint"


def test_argument_beats_environment_beats_project_beats_default(home: Path) -> None:
    write_project(home, "every = 30", "grace = '1m'", "keep-last = 7")
    chosen = load(home, {"every": "0.5"}, FORKPOINT_EVERY="10", FORKPOINT_GRACE="2m")
    assert (chosen.every, chosen.grace, chosen.keep_last, chosen.restarts) == (0.5, 120.0, 7, 0)


def test_a_flag_left_unset_does_not_hide_the_environment(home: Path) -> None:
    assert load(home, {"quiet": False}, FORKPOINT_QUIET="1").quiet
    assert not load(home, {"quiet": False}, FORKPOINT_QUIET="0").quiet


def test_an_empty_variable_is_not_a_choice(home: Path) -> None:
    assert load(home, FORKPOINT_EVERY="").every == "auto"


def test_relative_stores_are_relative_to_where_they_were_written(home: Path) -> None:
    write_project(home, "store = 'points'")
    below = settings.load(environ={"HOME": str(home)}, directory=home / "project" / "deep")
    assert below.store == home / "project" / "points"
    assert load(home, {"store": "mine"}).store == home / "project" / "mine"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1.5", 1.5), (".5", 0.5), ("90s", 90), ("2h", 7200), ("3d", 259200), ("1h30m", 5400), ("250ms", 0.25), (2, 2.0)],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert settings.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "inf", "1h30", "1hh", "h", "1..5"])
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        settings.duration(text)


@pytest.mark.parametrize(("text", "count"), [("10", 10), ("64M", 64 << 20), ("2GiB", 2 << 30), ("1.5k", 1536), (7, 7)])
def test_sizes(text: str | int, count: int) -> None:
    assert settings.size(text) == count


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FORKPOINT_EVERY", "0"),
        ("FORKPOINT_EVERY", "soon"),
        ("FORKPOINT_KEEP_LAST", "0"),
        ("FORKPOINT_RESTARTS", "1.5"),
        ("FORKPOINT_MAX_OVERHEAD", "0"),
        ("FORKPOINT_ON_ERROR", "ignore"),
        ("FORKPOINT_QUIET", "perhaps"),
        ("FORKPOINT_MAX_FILE_BYTES", "many"),
    ],
)
def test_nonsense_is_refused_by_name(home: Path, variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=variable):
        load(home, **{variable: value})


def test_an_unknown_setting_is_refused_with_the_nearest_name(home: Path) -> None:
    write_project(home, "evry = 3")
    with pytest.raises(UsageError, match="evry") as caught:
        load(home)
    assert "every" in caught.value.hint


def test_ignored_threads_may_hold_blanks(home: Path) -> None:
    assert load(home, FORKPOINT_IGNORE_THREADS="Thread-* (poll), metrics").ignore_threads == (
        "Thread-* (poll)",
        "metrics",
    )


def test_the_nearest_store_upward_is_found(home: Path) -> None:
    (home / "project" / ".forkpoint").mkdir()
    found = settings.find_store(home / "project" / "deep", environ={"HOME": str(home)})
    assert found == home / "project" / ".forkpoint"


def test_the_search_for_a_store_ends_at_home(home: Path) -> None:
    (home / ".forkpoint").mkdir()
    inside = settings.find_store(home / "project" / "deep", environ={"HOME": str(home / "project")})
    assert inside == home / "project" / "deep" / ".forkpoint"


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a directory away needs root")
def test_a_store_of_somebody_else_is_not_picked_up(home: Path) -> None:
    (home / "project" / ".forkpoint").mkdir()
    os.chown(home / "project" / ".forkpoint", 12345, 12345)
    found = settings.find_store(home / "project" / "deep", environ={"HOME": str(home)})
    assert found == home / "project" / "deep" / ".forkpoint"


def test_a_file_named_like_a_store_is_not_one(home: Path) -> None:
    (home / "project" / ".forkpoint").touch()
    found = settings.find_store(home / "project" / "deep", environ={"HOME": str(home)})
    assert found == home / "project" / "deep" / ".forkpoint"
