"""Dicts and lists of libraries that a program fills by calls, and settings that it makes so: read and put back."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from forkpoint.capture.adapters._quiet import Quiet

Place = tuple[str, str]
"""A module, and what leads from it to a dict or list."""

Setting = tuple[str, str, Callable[[Any], Any], Callable[[Any, Any], Any]]
"""A module, what it is, how to read it from that module, how to set it."""


def read_tables(places: Iterable[Place]) -> dict[Place, Any]:
    """What the tables of loaded modules hold: copies, since the tables are the library's, and would be named."""
    return {place: table.copy() for place in places if (table := _at(place)) is not None}


def fill_tables(saved: dict[Place, Any]) -> None:
    """Make the tables hold that."""
    for place, content in saved.items():
        table = _at(place)
        if isinstance(table, list):
            table[:] = content
        elif table is not None:
            table.clear()
            table.update(content)


def read_settings(settings: Iterable[Setting]) -> dict[Place, Any]:
    """The settings of loaded modules; that a version of a library has not got one is no reason to save nothing."""
    found = {}
    for name, what, read, _ in settings:
        with suppress(AttributeError, KeyError):
            found[name, what] = read(sys.modules[name])
    return found


def put_settings(settings: Iterable[Setting], saved: dict[Place, Any]) -> None:
    """Make those settings that are not what they were."""
    now = read_settings(settings)
    for name, what, _, put in settings:
        place = name, what
        if place in saved and place in now and not _are_equal(now[place], saved[place]):
            put(sys.modules[name], saved[place])


def _are_equal(one: Any, other: Any) -> bool:
    """Also of values that do not compare, as arrays: those are not."""
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001  # a library's comparison raises what it likes
        return False


def _at(place: Place) -> Any:
    with suppress(AttributeError):
        found = operator.attrgetter(place[1])(sys.modules.get(place[0]))
        return found if isinstance(found, dict | list) else None
    return None


class Tables(Quiet):
    """The adapter of such a list of tables and settings, whatever libraries they are of."""

    module = "builtins"

    def __init__(self, name: str, tables: tuple[Place, ...], settings: tuple[Setting, ...]) -> None:
        self.name = name
        self._tables = tables
        self._settings = settings

    def capture(self, before: None) -> dict[str, Any]:
        return {"tables": read_tables(self._tables), "settings": read_settings(self._settings)}

    def restore(self, state: dict[str, Any]) -> None:
        fill_tables(state["tables"])
        put_settings(self._settings, state["settings"])
