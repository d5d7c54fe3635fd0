"""Numbers that are the `id()` of an object the program holds: restored, they are that object's again.

`seen.add(id(node))`, `cache[id(array)]`, `head = set(map(id, layer.parameters()))`: the number means the object, which
lies elsewhere in a new process. A number is taken for an identity when, at the commit point, an object that is saved or
named as well lies at that very address (native/identities.c); chance makes such a number once in some 10^13. What was
made from one (a hash, a text) is not seen.
"""

from __future__ import annotations

from typing import Any


def reduce_identity(obj: Any) -> Any:
    """The number that is the id() of `obj`: asked again when it has been made."""
    return identity, (obj,)


def identity(obj: Any) -> int:
    """See `id`; a function of ours, since the builtin's place may be taken by then."""
    return id(obj)
