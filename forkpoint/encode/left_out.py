"""Attributes that a library's own protocol leaves out although the program has set them.

`session.base_url = ...` of a `requests.Session`, `self.count` of a class derived from `sympy.Symbol`: plain pickle
loses these, and a program that is not pickled, but goes on, has them.
"""

from __future__ import annotations

from typing import Any

from forkpoint import _native
from forkpoint.encode import tombstones
from forkpoint.encode.reducers import FILL_FROZEN, Context


def save(obj: Any, value: Any, context: Context) -> None:
    """Add them to what is saved of `obj` by the reduce value `value`: all that this does not say of an object of a
    program's class, of others those that some code of the program sets.
    """
    attributes = _native.instance_dict(obj)[0]
    if not attributes or not isinstance(value, tuple):
        return
    all_of_them = context.is_program_class(type(obj))
    state = value[2] if len(value) > 2 else None
    parts = (state, *state) if isinstance(state, tuple | list) else (state,)
    said = set().union(*(part for part in parts if type(part) is dict))
    rest = {name: held for name, held in attributes.items() if name not in said}
    added = {name: held for name, held in rest.items() if all_of_them or context.is_assigned(name)}
    if added:
        context.later(FILL_FROZEN, add_attributes, obj, added)


def add_attributes(obj: Any, attributes: dict[str, Any]) -> None:
    """What its library did not bring back of an object; what its constructor has made anew stays."""
    if type(obj) is tombstones.Absent or not hasattr(obj, "__dict__"):
        return
    present = _native.instance_dict(obj)[0] or {}
    found = {name: value for name, value in attributes.items() if type(value) is not tombstones.Absent}
    _native.instance_fill(obj, {name: value for name, value in found.items() if name not in present})
