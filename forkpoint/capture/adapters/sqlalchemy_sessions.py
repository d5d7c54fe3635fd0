"""SQLAlchemy's sessions: mapped objects find theirs by its number, in a table that does not own it.

The next number is that of `library_counters`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import session

from forkpoint.capture.adapters._quiet import Quiet

_sessions: Any = session._sessions


class _Sessions(Quiet):
    name = "sqlalchemy_sessions"
    module = "sqlalchemy.orm.session"

    def capture(self, before: None) -> dict[int, Any]:
        return dict(_sessions)

    def restore(self, state: dict[int, Any]) -> None:
        _sessions.update(state)


ADAPTER = _Sessions()
