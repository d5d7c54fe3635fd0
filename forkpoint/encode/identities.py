"""Numbers that are the `id()` of an object the program holds, or the main thread's: restored, they are so again.

`seen.add(id(node))`, `cache[id(array)]`, `head = set(map(id, layer.parameters()))`: the number means the object, which
lies elsewhere in a new process. A number is taken for an identity when, at the commit point, an object that is saved or
named as well lies at that very address (native/identities.c); chance makes such a number once in some 10^13. What was
made from one (a hash, a text) is not seen.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

_EVERYWHERE: Final[tuple[Any, ...]] = (None, True, False, Ellipsis, NotImplemented)
"""Objects that need not be looked for."""


def reductions(held: Mapping[int, Any]) -> dict[int, Any]:
    """How the numbers are saved that are ids of the `held` objects or of singletons, or that mean the main thread."""
    named = {id(obj): obj for obj in _EVERYWHERE}
    return {
        main_thread(): (main_thread, ()),
        **{number: (identity, (obj,)) for number, obj in {**named, **held}.items()},
    }


def main_thread() -> Any:
    """What `threading.get_ident()` gives in the main thread: an address as well."""
    return threading.main_thread().ident


def identity(obj: Any) -> int:
    """See `id`; a function of ours, since the builtin's place may be taken by then."""
    return id(obj)
