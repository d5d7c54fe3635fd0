"""Which memory a program rewrites is asked of the kernel where it is memory, not where it is room for some."""

from __future__ import annotations

import mmap
import time

from forkpoint import _native
from forkpoint.report import Report
from forkpoint.snapshot import forker

MIB = 1 << 20
NORESERVE = 0x4000
"""MAP_NORESERVE, which mmap offers from 3.13 on."""


def test_room_that_is_larger_than_the_machines_memory_is_not_asked_about_page_by_page() -> None:
    """A sanitizer's shadow, or the heap that a runtime reserves: a terabyte of page tables takes a second to read."""
    reserved = mmap.mmap(-1, 1 << 43, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
    at = _native.buffer_address(reserved)

    def body(side: forker.ChildSide) -> Report:
        _native.rewritten_begin()
        reserved[: 8 * MIB] = b"x" * (8 * MIB)
        began = time.monotonic()
        runs = _native.rewritten_runs()
        return Report("K", message=f"{time.monotonic() - began < 2} {any(at <= run < at + 8 * MIB for run, _ in runs)}")

    report = forker.fork(body, deadline_seconds=60).wait()
    assert report is not None and report.message == "True False", report
