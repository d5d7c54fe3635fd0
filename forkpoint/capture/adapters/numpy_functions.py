"""Functions of numpy that call the program's: `np.frompyfunc` by what it was made of, `np.vectorize` without the ufunc
that it has made, and makes anew.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any

import numpy as np

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def reduce_vectorize(function: Any, context: ReduceContext) -> Any:
    """By attributes."""
    own, slots = attributes(function) or ({}, {})
    return make_vectorize, (type(function),), (own | {"_ufunc": {}}, slots), None, None, fill


def make_vectorize(cls: Any) -> Any:
    """One without attributes."""
    return cls.__new__(cls)


def reduce_ufunc(ufunc: Any, context: ReduceContext) -> Any:
    """What `np.frompyfunc` was given; NotImplemented for a ufunc in C. It shows the collector what it calls
    (ufunc_object.c, ufunc_traverse), and nobody else.
    """
    called = [held for held in gc.get_referents(ufunc) if callable(held)]
    if len(called) != 1 or not ufunc.__name__.endswith(" (vectorized)"):
        return NotImplemented
    return make_ufunc, (called[0], ufunc.nin, ufunc.nout, ufunc.identity)


def make_ufunc(called: Any, inputs: int, outputs: int, identity: Any) -> Any:
    """A ufunc that calls it for each element."""
    return np.frompyfunc(called, inputs, outputs, **({} if identity is None else {"identity": identity}))


class _Functions(Quiet):
    name = "numpy_functions"
    module = "numpy"

    def reducers(self) -> Mapping[type, Reducer]:
        return {np.vectorize: reduce_vectorize, np.ufunc: reduce_ufunc}


ADAPTER = _Functions()
