"""numpy's global RandomState, put back in place: `np.random.rand` and everything bound to it go on with it."""

from __future__ import annotations

from collections.abc import Mapping
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
    return NotImplemented


def make_global() -> Any:
    """The bit generator under `np.random.rand` of this process."""
    return _global._bit_generator


class _Random(Quiet):
    name = "numpy_random"
    module = "numpy.random"

    def reducers(self) -> Mapping[type, Reducer]:
        return {np.random.BitGenerator: reduce_bit_generator}

    def before_fork(self) -> dict[str, Any]:
        return {"state": np.random.get_state(legacy=False)}

    def capture(self, before: dict[str, Any]) -> dict[str, Any]:
        replaced = type(_global._bit_generator) is not np.random.MT19937
        return before | {"bit_generator": _global._bit_generator if replaced else None}

    def restore(self, state: dict[str, Any]) -> None:
        if state["bit_generator"] is not None:
            mtrand.set_bit_generator(state["bit_generator"])
        np.random.set_state(state["state"])


ADAPTER = _Random()
