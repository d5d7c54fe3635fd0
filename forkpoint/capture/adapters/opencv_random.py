"""OpenCV's random generator: as it was seeded, or no restore point once it has been drawn from.

Nobody can read it or set all of it. What it was is worked out from numbers drawn in the child: a multiply-with-carry
generator of 32 bits, `state = low(state) * A + high(state)` (cv::RNG of OpenCV's core/operations.hpp).
`cv2.setRNGSeed` sets the low half alone, so that only a state that nothing was drawn from can be put back.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused

_MULTIPLIER: Final = 4164903690
_FRESH: Final = (0xFFFF_FFFF, 0)
_SEED_MAX: Final = 0x7FFF_FFFF
_LOW: Final = 0xFFFF_FFFF


def _drawn() -> int:
    """The low half of the next state: of a double between -1/2 and 1/2 that the whole state is scaled to, the top."""
    number: Any = np.zeros((1, 1))
    cv2.randu(number, -0.5, 0.5)
    return int(number[0, 0] * 2.0**64) >> 32 & _LOW


def _state() -> tuple[int, int]:
    """(low, high) before anything was drawn here."""
    first, second, third = (_drawn() for _ in range(3))
    after = ((second - first * _MULTIPLIER) & _LOW) << 32 | first
    following = second * _MULTIPLIER + (first * _MULTIPLIER + (after >> 32) >> 32)
    if following & _LOW != third:
        raise Refused("cv2's random generator is not the one known here")
    return after // _MULTIPLIER, after % _MULTIPLIER


class _Random(Quiet):
    name = "opencv_random"
    module = "cv2"

    def capture(self, before: None) -> int | None:
        """The seed; None for a generator that was never touched. Raises errors.Refused once it has been drawn from."""
        low, high = state = _state()
        if state == _FRESH:
            return None
        if high == 0 and low <= _SEED_MAX:
            return low
        raise Refused("cv2's random numbers have been drawn from, and cannot be put back where they were")

    def restore(self, state: int | None) -> None:
        if state is not None:
            cv2.setRNGSeed(state)


ADAPTER = _Random()
