"""cv2's random generator comes back as it was seeded, and is refused when it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from forkpoint.errors import Refused

np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")

from forkpoint.capture.adapters.opencv_random import ADAPTER  # noqa: E402


def drawn() -> list[float]:
    numbers: Any = np.zeros((1, 5))
    cv2.randu(numbers, 0, 1)
    return [float(number) for number in numbers[0]]


@pytest.mark.parametrize("seed", [1, 7, 123456, 2**31 - 1])
def test_a_seeded_generator_comes_back(seed: int) -> None:
    cv2.setRNGSeed(seed)
    expected = drawn()
    cv2.setRNGSeed(seed)
    state = ADAPTER.capture(None)
    drawn()
    ADAPTER.restore(state)
    assert drawn() == expected


def test_one_that_was_drawn_from_is_refused() -> None:
    cv2.setRNGSeed(3)
    drawn()
    with pytest.raises(Refused, match="random numbers have been drawn"):
        ADAPTER.capture(None)
