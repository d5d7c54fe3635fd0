"""numba's typed lists and dicts, whose items lie in memory of the compiled code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from numba import types
from numba.typed import Dict, List

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_VALUES: Final = (types.Number, types.Boolean, types.UnicodeType, types.BaseTuple)
"""What is copied when it is taken out; arrays and other containers would stay shared with who took them."""


def reduce_list(items: Any, context: ReduceContext) -> Any:
    """A typed list by its type and its items."""
    kind = items._list_type
    if kind is None:
        return List, ()
    if not isinstance(kind.item_type, _VALUES):
        return context.tombstone(items, f"a typed list whose items, {kind.item_type}, are kept by compiled code")
    return make_list, (kind.item_type, list(items))


def make_list(item_type: Any, items: list[Any]) -> Any:
    """The typed list, filled anew."""
    made = List.empty_list(item_type, max(len(items), 1))
    for item in items:  # extend() would compile for a list of Python's, which numba warns of
        made.append(item)
    return made


def reduce_dict(table: Any, context: ReduceContext) -> Any:
    """A typed dict by its types and its items, in their order."""
    kind = table._dict_type
    if kind is None:
        return Dict, ()
    if not (isinstance(kind.key_type, _VALUES) and isinstance(kind.value_type, _VALUES)):
        return context.tombstone(table, f"a typed dict whose items, {kind.value_type}, are kept by compiled code")
    return make_dict, (kind.key_type, kind.value_type, list(table.items()))


def make_dict(key_type: Any, value_type: Any, items: list[tuple[Any, Any]]) -> Any:
    """The typed dict, filled anew."""
    made = Dict.empty(key_type, value_type)
    for key, value in items:
        made[key] = value
    return made


class _Containers(Quiet):
    name = "numba_containers"
    module = "numba.typed"

    def reducers(self) -> Mapping[type, Reducer]:
        return {List: reduce_list, Dict: reduce_dict}


ADAPTER = _Containers()
