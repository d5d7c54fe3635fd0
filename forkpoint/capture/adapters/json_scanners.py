"""json: the scanner in C that a decoder holds, made again from what it was made of."""

from __future__ import annotations

import json.scanner
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_scanners: Final[Any] = json.scanner.c_make_scanner  # type: ignore[attr-defined]
_MADE_OF: Final = ("strict", "object_hook", "object_pairs_hook", "parse_float", "parse_int", "parse_constant")
"""What it reads of the decoder (Modules/_json.c, scanner_new)."""


def reduce_scanner(scanner: Any, context: ReduceContext) -> Any:
    """By what it reads of its decoder."""
    return make_scanner, tuple(getattr(scanner, name) for name in _MADE_OF)


def make_scanner(*values: Any) -> Any:
    """As `JSONDecoder` makes it."""
    return _scanners(SimpleNamespace(**dict(zip(_MADE_OF, values, strict=True)), memo={}))


class _Scanners(Quiet):
    name = "json_scanners"
    module = "json.scanner"

    def reducers(self) -> Mapping[type, Reducer]:
        return {_scanners: reduce_scanner} if isinstance(_scanners, type) else {}


ADAPTER = _Scanners()
