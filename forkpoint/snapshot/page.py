"""One page both sides of a fork see: what each side learns only after the fork."""

from __future__ import annotations

import mmap
import struct
from typing import Final, NamedTuple

_LAYOUT: Final = struct.Struct("=ddddd")
_TOLD: Final = _LAYOUT.size
"""Offset of the flag byte: zero until the five numbers before it are written."""

_CPU: Final = struct.Struct("=d")
_CPU_OFFSET: Final = 64
assert _CPU_OFFSET > _TOLD, "the program's and the child's part do not overlap"


class Split(NamedTuple):
    """Where a stop's time went, in milliseconds. All zero where the program died before it could say."""

    wait_ms: float = 0.0
    capture_ms: float = 0.0
    stage_ms: float = 0.0
    fork_ms: float = 0.0
    stop_ms: float = 0.0


class SharedPage:
    """An anonymous shared page. The program tells the child, once, how long it was stopped; the child tells the
    program, at its end, what CPU time it took.
    """

    __slots__ = ("_page",)

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)

    def tell(self, split: Split) -> None:
        """Write the times; the flag goes last, so that a reader sees all of them or none."""
        times = (split.wait_ms, split.capture_ms, split.stage_ms, split.fork_ms, split.stop_ms)
        _LAYOUT.pack_into(self._page, 0, *times)
        self._page[_TOLD] = 1

    def read(self) -> Split:
        """The times, or zeros when they were not told (yet)."""
        return Split(*_LAYOUT.unpack_from(self._page)) if self._page[_TOLD] else Split()

    def set_cpu(self, seconds: float) -> None:
        """In the child: the CPU time it has used."""
        _CPU.pack_into(self._page, _CPU_OFFSET, seconds)

    def cpu(self) -> float:
        """The CPU time that the child has said it used; 0.0 when it has not."""
        (seconds,) = _CPU.unpack_from(self._page, _CPU_OFFSET)
        return float(seconds)

    def close(self) -> None:
        """Unmap the page on this side."""
        self._page.close()
