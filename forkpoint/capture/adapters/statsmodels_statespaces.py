"""statsmodels' state space models (ARIMA, SARIMAX, VARMAX, UnobservedComponents): compiled objects work in the arrays
of the Python objects that own them, and pickling gives each copies of its own.

So a restored `fit` would go on with the parameters it had when it was saved. A statespace says which arrays it works in
(Cython's `memoryview.base`). An initialization does not; it is made again where it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from statsmodels.tsa.statespace import tools
from statsmodels.tsa.statespace.initialization import Initialization

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_MATRICES: Final = (
    "obs", "design", "obs_intercept", "obs_cov", "transition", "state_intercept", "selection", "state_cov"
)  # fmt: skip
"""What a statespace is made from, in this order (_representation.pyx.in)."""
_INITIAL: Final = ("initial_state", "initial_state_cov", "initial_diffuse_state_cov")
"""What `__setstate__` takes away of one that is not initialized yet, and initializing fills."""
_COMPILED: Final = "_initializations"


def reduce_statespace(statespace: Any, context: ReduceContext) -> Any:
    """As it says itself, but with the arrays it works in."""
    maker, copies, state = statespace.__reduce__()
    arrays = [_worked_in(statespace, name, copy) for name, copy in zip(_MATRICES, copies, strict=False)]
    initial = {name: np.array(getattr(statespace, name), order="F") for name in _INITIAL}
    return maker, (*arrays, *copies[len(arrays) :]), {**state, **initial}


def _worked_in(statespace: Any, name: str, copy: Any) -> Any:
    base = getattr(getattr(statespace, name), "base", None)
    is_whole = isinstance(base, np.ndarray) and base.shape == copy.shape and base.dtype == copy.dtype
    return base if is_whole else copy


def reduce_initialization(initialization: Any, context: ReduceContext) -> Any:
    """By attributes, without what is compiled."""
    state = attributes(initialization, frozenset({_COMPILED}))
    return make_initialization, (type(initialization),), state, None, None, fill_initialization


def make_initialization(kind: Any) -> Any:
    """One without attributes."""
    return kind.__new__(kind)


def fill_initialization(initialization: Any, state: Any) -> None:
    """Its attributes; `_initialize_initialization` makes the compiled ones, with the arrays that are among these."""
    fill(initialization, state)
    setattr(initialization, _COMPILED, {})


class _Statespaces(Quiet):
    name = "statsmodels_statespaces"
    module = "statsmodels.tsa.statespace.representation"

    def reducers(self) -> Mapping[type, Reducer]:
        kinds: Mapping[str, Any] = tools.prefix_statespace_map
        return {Initialization: reduce_initialization, **dict.fromkeys(kinds.values(), reduce_statespace)}


ADAPTER = _Statespaces()
