"""Where the program's files lie on this machine, which may be another one than it was saved on."""

from __future__ import annotations

from collections.abc import Callable

_elsewhere: Callable[[str], str] = str


def relocate(elsewhere: Callable[[str], str]) -> None:
    """From here on files are opened where `elsewhere` says that their path lies on this machine."""
    global _elsewhere
    _elsewhere = elsewhere


def located(path: str) -> str:
    """Where the file of that path lies on this machine."""
    return _elsewhere(path)
