"""Tombstones: what stands in a restored program for an object that could not be saved."""

from __future__ import annotations

from typing import Any, NoReturn

from forkpoint.encode.reducers import Context, reduces
from forkpoint.errors import TombstoneError

_TRANSPARENT = frozenset({"__class__", "__repr__", "__str__", "__doc__", "__hash__", "__eq__", "__module__"})


class Absent:
    """Not the object, only its place: anything the program does with it raises `TombstoneError` naming it."""

    __slots__ = ("__weakref__", "_path", "_reason", "_type")

    def __getattribute__(self, name: str) -> Any:
        if name in _TRANSPARENT:
            return object.__getattribute__(self, name)
        raise _error(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise _error(self)

    def __delattr__(self, name: str) -> None:
        raise _error(self)

    def __repr__(self) -> str:
        path, kind, reason = describe(self)
        return f"<not restored: {path} ({kind}): {reason}>"


def _refuse(self: Absent, *args: object, **kwargs: object) -> NoReturn:
    raise _error(self)


for _name in (
    "call iter next len bool getitem setitem delitem contains enter exit int float index add radd sub rsub mul rmul"
    " truediv rtruediv floordiv mod pow and or xor neg pos abs invert lt le gt ge await aiter anext aenter aexit format"
    " bytes fspath reversed iadd isub imul matmul"
).split():
    setattr(Absent, f"__{_name}__", _refuse)


def describe(absent: Absent) -> tuple[str, str, str]:
    """(path, type, reason) of a tombstone."""
    get = object.__getattribute__
    try:
        return get(absent, "_path"), get(absent, "_type"), get(absent, "_reason")
    except AttributeError:
        return "?", "?", "it could not be saved"


def _error(absent: Absent) -> TombstoneError:
    path, kind, reason = describe(absent)
    return TombstoneError(
        f"{path} ({kind}) is not here: it could not be saved with the restore point ({reason})",
        hint="make it again in a function given to forkpoint.on_restore()",
    )


def make(path: str, kind: str, reason: str) -> Absent:
    """A tombstone; the path is often known only later (`inscribe`)."""
    absent = Absent.__new__(Absent)
    inscribe(absent, path, kind, reason)
    return absent


def inscribe(absent: Absent, path: str, kind: str, reason: str) -> None:
    """Write on a tombstone what it stands for."""
    for name, value in (("_path", path), ("_type", kind), ("_reason", reason)):
        object.__setattr__(absent, name, value)


@reduces(Absent)
def _reduce_absent(obj: Absent, context: Context) -> Any:
    """A tombstone in a restored program stays one in the next restore point."""
    _, kind, reason = describe(obj)
    return context.tombstone(obj, reason, kind)
