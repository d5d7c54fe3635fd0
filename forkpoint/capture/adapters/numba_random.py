"""The random generators that code compiled by numba uses: numpy's and Python's, each with a state of its own.

They belong to the thread, so they are read in the program's; numba's own functions for it leave out the second number
of a Gaussian pair. Their layout is `rnd_state_t` of numba/_random.c.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

from numba import _helperlib

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet

_LAYOUT: Final = struct.Struct("@i624Iidi")
"""index, mt, has_gauss, gauss, is_initialized."""


def _states() -> Iterator[tuple[str, int]]:
    yield "numpy", _helperlib.rnd_get_np_state_ptr()
    yield "python", _helperlib.rnd_get_py_state_ptr()


class _Random(Quiet):
    name = "numba_random"
    module = "numba._helperlib"

    def before_fork(self) -> dict[str, bytes]:
        return {name: _native.memory_read(address, _LAYOUT.size) for name, address in _states()}

    def capture(self, before: dict[str, bytes]) -> dict[str, Any]:
        return {name: _LAYOUT.unpack(raw) for name, raw in before.items()}

    def restore(self, state: dict[str, Any]) -> None:
        for name, address in _states():
            _native.memory_write(address, _LAYOUT.pack(*state[name]))


ADAPTER = _Random()
