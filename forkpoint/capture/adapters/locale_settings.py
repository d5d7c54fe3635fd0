"""The C library's locale: how numbers, dates and sorting behave."""

from __future__ import annotations

import locale

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.say import say


class _Locale(Quiet):
    name = "locale_settings"
    module = "locale"

    def capture(self, before: None) -> str:
        return locale.setlocale(locale.LC_ALL)

    def restore(self, state: str) -> None:
        try:
            locale.setlocale(locale.LC_ALL, state)
        except locale.Error:
            say(
                f"this machine does not have the locale {state!r} the program had set; numbers and dates may be "
                "written differently"
            )


ADAPTER = _Locale()
