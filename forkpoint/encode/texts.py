"""Interned strings: the same object as the constant in the code, before and after.

A name, a keyword, a dict key written in the source: Python keeps one string of each (Objects/unicodeobject.c,
PyUnicode_InternInPlace). Restored as any other, a key made before the restore and the constant that makes the next one
would be two objects. Nothing that compares by value sees that, but pickle does, and torch.save with it: their files
would differ from an uninterrupted run's. Strings that are not interned stay apart, as they were.
"""

from __future__ import annotations

import sys
from typing import Any


def reduce_interned(text: str) -> Any:
    """As bytes: the string itself would come here again."""
    return interned, (text.encode("utf-8", "surrogatepass"),)


def interned(content: bytes) -> str:
    """The one string of this process with this value."""
    return sys.intern(content.decode("utf-8", "surrogatepass"))
