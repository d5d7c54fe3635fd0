"""What listens to events of SQLAlchemy's classes: `@listens_for(Engine, "connect")`. What listens to an engine, a
mapper or a session is theirs, and saved with them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy.event import base

from forkpoint import _native
from forkpoint.capture import roots
from forkpoint.capture.adapters._quiet import Quiet

Heard = tuple[str, Any, Any, list[Any], bool]
"""The event, the class that describes it, the class it is an event of, what of the program's listens, `_has_events`."""

_EVENTFUL: Final = "_has_events"
"""What a class of engines is marked with once something listens to it."""


def _collections() -> Iterator[tuple[str, Any, dict[Any, Any]]]:
    """Each event, the class that describes it, and what listens to it by class."""
    for name, kinds in list(base._registrars.items()):
        for kind in list(kinds):
            by_class = getattr(getattr(kind.dispatch, name, None), "_clslevel", None)
            if by_class is not None:
                yield name, kind, by_class


def _is_programs(function: Any, program: set[str]) -> bool:
    """Is it the program's, or what SQLAlchemy has made around such a function?"""
    cells = getattr(function, "__closure__", None) or ()
    return _native.is_programs(function, program) or any(
        _native.is_programs(cell.cell_contents, program) for cell in cells if cell != type(cell)()
    )


class _Listeners(Quiet):
    name = "sqlalchemy_listeners"
    module = "sqlalchemy.event.base"

    def capture(self, before: None) -> list[Heard]:
        program = {module.__name__ for module in roots.find().by_value} | {"__main__"}
        return [
            (name, kind, cls, own, vars(cls).get(_EVENTFUL, False))
            for name, kind, by_class in _collections()
            for cls, listening in list(by_class.items())
            if (own := [function for function in listening if _is_programs(function, program)])
        ]

    def restore(self, state: list[Heard]) -> None:
        there = {(name, kind): by_class for name, kind, by_class in _collections()}
        for name, kind, cls, functions, eventful in state:
            by_class = there.get((name, kind))
            if by_class is not None:
                listening = by_class.setdefault(cls, deque())
                listening.extend(function for function in functions if not any(function is one for one in listening))
                if eventful:
                    setattr(cls, _EVENTFUL, True)


ADAPTER = _Listeners()
