"""The Python attributes of an object, `__dict__` and slots, as one picklable value, whatever its class says."""

from __future__ import annotations

from typing import Any


def attributes(obj: Any, without: frozenset[str] = frozenset()) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(`__dict__`, slots) of `obj` less `without`; None if there are none.

    Slots that are not set are left out. `__dict__` and `__weakref__` slots are not attributes.
    """
    own = {key: value for key, value in getattr(obj, "__dict__", {}).items() if key not in without}
    slots: dict[str, Any] = {}
    for cls in type(obj).__mro__:
        declared = cls.__dict__.get("__slots__", ())
        for name in (declared,) if isinstance(declared, str) else declared:
            if name in ("__dict__", "__weakref__") or name in without:
                continue
            stored = f"_{cls.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
            try:
                slots[stored] = object.__getattribute__(obj, stored)
            except AttributeError:
                continue
    return (own, slots) if own or slots else None


def fill(obj: Any, state: tuple[dict[str, Any], dict[str, Any]] | None) -> None:
    """Give `obj` the attributes that `attributes` read, past any `__setattr__` or `__setstate__` of its class."""
    if state is None:
        return
    own, slots = state
    if own:
        obj.__dict__.update(own)
    for name, value in slots.items():
        object.__setattr__(obj, name, value)
