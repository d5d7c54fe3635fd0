"""numpy's global RandomState, put back in place: `np.random.rand` and everything bound to it go on with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import mtrand

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
    made = generator.__reduce__()
    if len(made) != 3:
        return NotImplemented
    maker, arguments, state = made
    return maker, arguments, _without_arrays(state), None, None, set_state


def set_state(generator: Any, state: Any) -> None:
    """The state, its arrays made again."""
    generator.__setstate__(_with_arrays(state))


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
        return {np.random.BitGenerator: reduce_bit_generator, np.random.RandomState: reduce_with_state}

    def capture(self, before: None) -> dict[str, Any]:
        replaced = type(_global._bit_generator) is not np.random.MT19937
        state = np.random.get_state(legacy=False)
        return {"state": state, "bit_generator": _global._bit_generator if replaced else None}

    def restore(self, state: dict[str, Any]) -> None:
        if state["bit_generator"] is not None:
            mtrand.set_bit_generator(state["bit_generator"])
        np.random.set_state(state["state"])


ADAPTER = _Random()
