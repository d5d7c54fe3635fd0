"""NaN and infinity: the floats by whose identity programs go.

A NaN equals nothing, so that `in`, `index` and a dict find only the very one (Objects/object.c,
PyObject_RichCompareBool: the same object is equal), and `best is np.inf` asks whether there was one yet. pickle saves a
float by its value each time it meets it, and all of these would be false after a restore. So each that more than one
place holds is saved once, and one that a library has by name, by that. Other floats are their values.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Container
from types import ModuleType
from typing import Any, Final

_BITS: Final = struct.Struct("<d")

_WORDS: Final = ("nan", "inf", "infinity", "infty", "pinf", "ninf")
_CONSTANTS: Final = ("NaN", *(form(word) for word in _WORDS for form in (str.lower, str.upper, str.capitalize)))
"""What modules call them: a value that one of them holds for the moment is not there in a new process."""


def of_bits(bits: bytes) -> float:
    """A new float with these bits: a NaN's sign and payload stay."""
    made: float = _BITS.unpack(bits)[0]
    return made


def reduce(value: float) -> Any:
    """By its bits."""
    return of_bits, (_BITS.pack(value),)


def named(by_value: Container[str]) -> dict[int, tuple[str, str]]:
    """id -> (module, name) of those that other modules than these have as constants: `math.nan`, `numpy.inf`."""
    found: dict[int, tuple[str, str]] = {}
    entries: list[tuple[str, Any]] = list(sys.modules.items())  # which may hold anything
    for module_name, module in entries:
        if isinstance(module, ModuleType) and module_name not in by_value:
            namespace = vars(module)
            for name in _CONSTANTS:
                value = namespace.get(name)
                if type(value) is float and not math.isfinite(value):
                    found.setdefault(id(value), (module_name, name))
    return found
