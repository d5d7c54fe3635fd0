"""The C library's locale: how numbers, dates and sorting behave."""

from __future__ import annotations

import locale
import warnings

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import ForkpointWarning


class _Locale(Quiet):
    name = "locale_settings"
    module = "locale"

    def capture(self, before: None) -> str:
        return locale.setlocale(locale.LC_ALL)

    def restore(self, state: str) -> None:
        try:
            locale.setlocale(locale.LC_ALL, state)
        except locale.Error:
            warnings.warn(
                f"this machine does not have the locale {state!r} the program had set; numbers and dates may be "
                "written differently",
                ForkpointWarning,
                stacklevel=2,
            )


ADAPTER = _Locale()
