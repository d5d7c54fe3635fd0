"""Iterators in the care of others, handed over without a call of `iter()`.

What draws from an iterator asks for it when it is made, and never again. Made again, it would ask again; and an
`__iter__` of the program's begins anew, prints, or needs what is not there yet. So it is given something whose
`__iter__` is that iterator as it stands.
"""

from __future__ import annotations

import types
from typing import Any, Final

from forkpoint.encode.reducers import Context, reduces

_THEMSELVES: Final = frozenset(
    map(type, (iter([]), iter(()), iter(""), iter({}), iter(set()), iter(range(0)), zip(), enumerate(()), map(abs, ())))
) | {types.GeneratorType}
"""Whose `__iter__` is known to return the iterator."""


class Unasked:
    """Stands for an iterator where `iter()` is called on it."""

    __slots__ = ("iterator",)

    def __init__(self, iterator: Any) -> None:
        self.iterator = iterator

    def __iter__(self) -> Any:
        return self.iterator


@reduces(Unasked)
def _reduce_unasked(obj: Any, context: Context) -> Any:
    return Unasked, (obj.iterator,)


def unasked(source: Any) -> Any:
    """To be given to what calls `iter()` on it. An empty tuple, which stands for what has ended, is no iterator."""
    kind = type(source)
    return source if kind in _THEMSELVES or not hasattr(kind, "__next__") else Unasked(source)
