"""Options that several verbs share, and how option text becomes values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from forkpoint import settings

F = TypeVar("F", bound=Callable[..., Any])


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Seconds, or a number with a unit: `90`, `2h`, `3d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds as a float; a usage error otherwise."""
        try:
            return settings.duration(value)
        except ValueError as problem:
            self.fail(f"{value!r} {problem}", param, ctx)


def store_option(function: F) -> F:
    """--store DIR, as `store: Path | None` (None: find it)."""
    return click.option(
        "--store",
        metavar="DIR",
        type=click.Path(path_type=Path),
        default=None,
        help="The store. Default: the nearest .forkpoint upward, else ./.forkpoint.",
    )(function)


def json_option(function: F) -> F:
    """--json, as `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON; its field names are a promise.")(function)
