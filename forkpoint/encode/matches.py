"""Regular expression matches and scanners: found again in the same string."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from forkpoint import _native
from forkpoint.encode.reducers import Context, reduces

_METHODS = ("search", "match", "fullmatch")


def match_again(pattern: re.Pattern[Any], method: str, string: Any, start: int, end: int, searched: int) -> Any:
    """The same match: at that place of that string, reporting where the search for it began."""
    found = getattr(pattern, method)(string, start, end)
    if found.pos != searched:
        _native.member_set(re.Match.pos, found, searched)
    return found


@reduces(re.Match)
def _reduce_match(obj: Any, context: Context) -> Any:
    for start in (obj.pos, obj.start()):
        for method in _METHODS:
            again = getattr(obj.re, method)(obj.string, start, obj.endpos)
            if again is not None and again.regs == obj.regs:
                return match_again, (obj.re, method, obj.string, start, obj.endpos, obj.pos)
    return context.tombstone(obj, "searching again does not find the same match")


def scan_on(pattern: re.Pattern[Any], string: Any, position: int, end: int) -> Any:
    """A scanner that goes on at this place."""
    return pattern.scanner(string, position, end)  # type: ignore[attr-defined]


@reduces(type(re.compile("").scanner("")))  # type: ignore[attr-defined]
def _reduce_scanner(obj: Any, context: Context) -> Any:
    """Only the next match tells where a scanner stands: this process may take it, being a copy of the program."""
    pattern = obj.pattern
    match = obj.search()
    if match is None:
        empty: Any = "" if isinstance(pattern.pattern, str) else b""
        return ended_scanner, (pattern, empty)
    return scan_on, (pattern, match.string, match.start(), match.endpos)


def ended_scanner(pattern: re.Pattern[Any], string: Any) -> Any:
    """A scanner that finds nothing more."""
    scanner = pattern.scanner(string)  # type: ignore[attr-defined]
    while scanner.search() is not None:
        pass
    return scanner


def matches_of(scanner: Any) -> Iterator[Any]:
    """What re.finditer makes of a scanner."""
    return iter(scanner.search, None)
