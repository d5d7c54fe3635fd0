"""`np.vectorize`: without the ufunc that it has made of its function, which numpy cannot make again, and makes anew."""

from __future__ import annotations

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


class _Functions(Quiet):
    name = "numpy_functions"
    module = "numpy"

    def reducers(self) -> Mapping[type, Reducer]:
        return {np.vectorize: reduce_vectorize}


ADAPTER = _Functions()
