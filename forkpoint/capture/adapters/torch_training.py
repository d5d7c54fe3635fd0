"""torch's training objects, by their attributes: modules, optimizers, loss scalers, data loader iterators.

Their own pickle protocols leave things out (optimizers), change values (GradScaler) or refuse (iterators).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler
from torch.autograd.profiler import record_function
from torch.optim import Optimizer
from torch.utils.data.dataloader import _BaseDataLoaderIter

from forkpoint import _native
from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def make_empty(cls: type) -> Any:
    """An instance without attributes; its `__init__` and `__new__` are not run."""
    return object.__new__(cls)


def _by_attributes(obj: Any) -> Any:
    try:
        object.__new__(type(obj))
    except TypeError:  # also derives from a list, dict or other C type
        return NotImplemented
    return make_empty, (type(obj),), attributes(obj) or ({}, {}), None, None, fill


def reduce_module(module: Any, context: ReduceContext) -> Any:
    """A module by its attributes, whatever its `__getstate__` says (parametrized ones refuse)."""
    return _by_attributes(module)


def reduce_optimizer(optimizer: Any, context: ReduceContext) -> Any:
    """An optimizer with all its attributes: its own protocol keeps three of them, and drops LBFGS's parameters."""
    value = _by_attributes(optimizer)
    if value is NotImplemented:
        return value
    hooked = getattr(type(optimizer).step, "hooked", False)
    return make_optimizer if hooked else make_empty, *value[1:]


def make_optimizer(cls: type) -> Any:
    """An optimizer without attributes, of a class whose `step` calls hooks, as `Optimizer.__init__` makes it.

    Wrappers that never call it (accelerate's) have none of the attributes which that `step` reads.
    """
    optimizer: Any = object.__new__(cls)
    optimizer._patch_step_function()
    return optimizer


def reduce_scaler(scaler: Any, context: ReduceContext) -> Any:
    """A GradScaler, in mid-iteration too: what it keeps by `id(optimizer)` goes by the optimizer."""
    state = attributes(scaler, frozenset({"_per_optimizer_states"}))
    per_optimizer = getattr(scaler, "_per_optimizer_states", None)
    pairs = None
    if per_optimizer is not None:
        known = {id(obj): obj for obj in _native.living(Optimizer)} if per_optimizer else {}
        pairs = [(known[key], value) for key, value in per_optimizer.items() if key in known]
    return make_empty, (type(scaler),), (state, pairs), None, None, fill_scaler


def fill_scaler(scaler: Any, state: tuple[Any, list[tuple[Any, Any]] | None]) -> None:
    """A scaler's attributes, with this process's optimizer ids."""
    fill(scaler, state[0])
    if state[1] is not None:
        scaler._per_optimizer_states = type(GradScaler("cpu")._per_optimizer_states)(_fresh_state)
        scaler._per_optimizer_states.update({id(optimizer): value for optimizer, value in state[1]})


_fresh_state: Any = GradScaler("cpu")._per_optimizer_states.default_factory


def reduce_loader_iterator(iterator: Any, context: ReduceContext) -> Any:
    """A DataLoader's iterator in mid-epoch: its sampler's iterator and counters are ordinary objects."""
    return _by_attributes(iterator)


def reduce_record_function(block: Any, context: ReduceContext) -> Any:
    """A profiler label (every optimizer step and loader step is inside one); entered again if it was."""
    state = attributes(block, frozenset({"record"}))
    return make_record_function, (type(block), state, block.record is not None)


def make_record_function(cls: Any, state: Any, entered: bool) -> Any:
    """The label again."""
    block = object.__new__(cls)
    fill(block, state)
    block.record = None
    return block.__enter__() if entered else block


def _optimizer_classes(cls: Any = Optimizer) -> Iterator[Any]:
    for derived in cls.__subclasses__():
        yield derived
        yield from _optimizer_classes(derived)


def _named(module: str, path: str) -> Any:
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


class _Training(Quiet):
    name = "torch_training"
    module = "torch"

    def reducers(self) -> Mapping[type, Reducer]:
        return {
            torch.nn.Module: reduce_module,
            Optimizer: reduce_optimizer,
            GradScaler: reduce_scaler,
            _BaseDataLoaderIter: reduce_loader_iterator,
            record_function: reduce_record_function,
        }

    def facts(self) -> list[tuple[str, str]]:
        """Optimizer classes whose `step` torch has replaced, which it does when the first instance is made."""
        return [
            (cls.__module__, cls.__qualname__)
            for cls in _optimizer_classes()
            if getattr(vars(cls).get("step"), "hooked", False) and _named(cls.__module__, cls.__qualname__) is cls
        ]

    def prepare(self, found: list[tuple[str, str]]) -> None:
        """Replace them here as well, or a saved reference to `Adam.step` would mean another function."""
        for module, path in found:
            if module in sys.modules:
                importlib.import_module(module)
            cls = _named(module, path)
            if isinstance(cls, type):
                make_optimizer(cls)


ADAPTER = _Training()
