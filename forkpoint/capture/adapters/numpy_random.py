"""numpy's global RandomState, put back in place: `np.random.rand` and everything bound to it go on with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import mtrand

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_global: Any = mtrand._rand


def reduce_bit_generator(generator: Any, context: ReduceContext) -> Any:
    """numpy's own protocol, but for the global one, which is named: Generators made on it keep sharing it."""
    if generator is _global._bit_generator and type(generator) is np.random.MT19937:
        return make_global, ()
    return reduce_with_state(generator, context)


def make_global() -> Any:
    """The bit generator under `np.random.rand` of this process."""
    return _global._bit_generator


def reduce_with_state(generator: Any, context: ReduceContext) -> Any:
    """numpy's own protocol, its arrays as bytes: made anew each time, they lie at another place each time."""
    base: Any = next(base for base in type(generator).__mro__ if base.__module__.startswith("numpy."))
    made = base.__reduce__(generator)
    if len(made) != 3:
        return NotImplemented
    maker, arguments, state = made
    if base is not type(generator) and isinstance(generator, np.random.RandomState):
        maker, arguments = make_over, (base, type(generator), *arguments)  # numpy would make a RandomState
    return maker, arguments, (_without_arrays(state), attributes(generator)), None, None, set_state


def set_state(generator: Any, whole: tuple[Any, Any]) -> None:
    """The state, its arrays made again; attributes of a class of the program's."""
    state, own = whole
    generator.__setstate__(_with_arrays(state))
    fill(generator, own)


def reduce_generator(generator: Any, context: ReduceContext) -> Any:
    """numpy's own protocol, which makes a plain Generator whatever it is asked."""
    if type(generator) is np.random.Generator:
        return NotImplemented
    arguments = np.random.Generator, type(generator), generator.bit_generator
    return make_over, arguments, attributes(generator), None, None, fill


def make_over(base: Any, cls: Any, bit_generator: Any) -> Any:
    """One of `cls` over a bit generator, as numpy's class `base` makes its own."""
    made = base.__new__(cls, bit_generator)
    base.__init__(made, bit_generator)
    return made


def _without_arrays(state: Any) -> Any:
    if isinstance(state, np.ndarray):
        return _Numbers(state.tobytes(), state.dtype.str)
    if isinstance(state, dict):
        return {key: _without_arrays(value) for key, value in state.items()}
    return tuple(map(_without_arrays, state)) if type(state) is tuple else state


def _with_arrays(state: Any) -> Any:
    if isinstance(state, _Numbers):
        return np.frombuffer(state.content, state.dtype).copy()
    if isinstance(state, dict):
        return {key: _with_arrays(value) for key, value in state.items()}
    return tuple(map(_with_arrays, state)) if type(state) is tuple else state


@dataclass(frozen=True)
class _Numbers:
    """An array of a state: one-dimensional, as all of numpy's are."""

    content: bytes
    dtype: str


class _Random(Quiet):
    name = "numpy_random"
    module = "numpy.random"

    def reducers(self) -> Mapping[type, Reducer]:
        return {
            np.random.BitGenerator: reduce_bit_generator,
            np.random.RandomState: reduce_with_state,
            np.random.Generator: reduce_generator,
        }

    def capture(self, before: None) -> dict[str, Any]:
        replaced = type(_global._bit_generator) is not np.random.MT19937
        state = np.random.get_state(legacy=False)
        return {"state": state, "bit_generator": _global._bit_generator if replaced else None}

    def restore(self, state: dict[str, Any]) -> None:
        if state["bit_generator"] is not None:
            mtrand.set_bit_generator(state["bit_generator"])
        np.random.set_state(state["state"])


ADAPTER = _Random()
