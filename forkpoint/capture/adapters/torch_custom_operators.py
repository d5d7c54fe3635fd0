"""Operators that the program defines with `torch.library.custom_op`: registered again, with the program's functions.

torch's kernels look the functions up in the definition each time they run, so that it can be filled afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from torch._library.custom_ops import OPDEFS, CustomOpDef

from forkpoint.capture import roots
from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_REGISTERED: Final = frozenset({"_lib", "_opoverload", "_is_inplace", "_is_out", "_out_kwarg_names"})
"""What registering it gives."""


def own(definitions: Iterable[Any]) -> list[Any]:
    """Those that are the program's, and not a library's, whose import defines them again."""
    program = {"__main__", *(module.__name__ for module in roots.find().by_value)}
    return [definition for definition in definitions if getattr(definition._init_fn, "__module__", None) in program]


def reduce_definition(definition: Any, context: ReduceContext) -> Any:
    """A custom operator, by its functions."""
    if OPDEFS.get(definition._qualname) is not definition:
        return NotImplemented  # another has taken its name: what is left cannot be called
    place = (definition._namespace, definition._name)
    if not own([definition]):
        return find_definition, place
    kinds = (
        tuple(definition._backend_fns),
        definition._vmap_fn is not None,
        tuple(definition._torch_dispatch_fns),
        dict(definition._autocast_dtype),
    )
    state = attributes(definition, _REGISTERED)
    return make_definition, (*place, definition._schema, definition._tags, kinds), state, None, None, fill


def find_definition(namespace: str, name: str) -> Any:
    """A library's custom operator, here."""
    return OPDEFS[f"{namespace}::{name}"]


def make_definition(namespace: str, name: str, schema: str, tags: Any, kinds: tuple[Any, ...]) -> Any:
    """The operator, registered, with functions that are still to come."""
    devices, batched, classes, casts = kinds
    definition: Any = CustomOpDef(namespace, name, schema, _to_come, tags)
    for device in devices:
        definition.register_kernel(device)(_to_come)
    if batched:
        definition.register_vmap(_to_come)
    for cls in classes:
        definition.register_torch_dispatch(cls, _to_come)
    for device, dtype in casts.items():
        definition.register_autocast(device, dtype)
    return definition


def _to_come(*arguments: Any, **keywords: Any) -> Any:
    raise RuntimeError("this operator is still being restored")


class _CustomOperators(Quiet):
    name = "torch_custom_operators"
    module = "torch._library.custom_ops"

    def reducers(self) -> Mapping[type, Reducer]:
        return {CustomOpDef: reduce_definition}

    def capture(self, before: None) -> list[Any]:
        """All of them: torch's own table is what keeps one whose name the program has used again."""
        return own(list(OPDEFS.values()))


ADAPTER = _CustomOperators()
