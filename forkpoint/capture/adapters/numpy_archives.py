"""The archive that np.load("x.npz") gives: its `f`, which answers every attribute itself, so pickle cannot ask it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_BagObj: Final[Any] = getattr(np.lib, "_npyio_impl", np.lib.npyio).BagObj
"""numpy 2 moved it."""


def reduce_bag(bag: Any, context: ReduceContext) -> Any:
    """A weak reference to its archive is all it holds."""
    return make_bag, (type(bag),), object.__getattribute__(bag, "_obj"), None, None, fill_bag


def make_bag(kind: Any) -> Any:
    """The `f` of an archive, without the archive."""
    return object.__new__(kind)


def fill_bag(bag: Any, archive: Any) -> None:
    """The weak reference to its archive."""
    object.__setattr__(bag, "_obj", archive)


class _Archives(Quiet):
    name = "numpy_archives"
    module = "numpy"

    def reducers(self) -> Mapping[type, Reducer]:
        return {_BagObj: reduce_bag}


ADAPTER = _Archives()
