"""How many bytes the program has written to its standard output, and getting them there.

A regular file is asked for its offset: that counts whatever wrote to it, C code and children too. For pipes and
terminals the bytes are counted as Python writes them (native/written.c: FileIO.write, os.write and os.writev on
descriptor 1), plus what C code has in its buffer at each flush. Not counted there: what C code wrote past its buffer
between two flushes, and what other processes wrote.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from typing import Final

from forkpoint import _native

_STDOUT: Final = 1

_installed = False

_base: int | None = None
"""Offset of a regular file when counting began; None for a pipe, a terminal, or no standard output at all."""


def install() -> None:
    """Begin to count, at zero, before the program's first line; later calls do nothing. The program sees no change.

    On an interpreter whose FileIO cannot be counted, only regular files are: said by `count` being their offset or 0.
    """
    global _base, _installed
    if _installed:
        return
    _installed = True
    with contextlib.suppress(RuntimeError):
        _native.count_start()
    _base = _offset_now()


def count() -> int:
    """Bytes written to standard output since `install`; flush first."""
    if _base is None:
        return _native.count_written()
    try:
        return max(os.lseek(_STDOUT, 0, os.SEEK_CUR) - _base, 0)
    except OSError:
        return _native.count_written()


def flush() -> None:
    """Flush the program's standard output and error, as Python and as C know them. Never raises.

    What cannot be flushed stays in its buffer, where the program meets the same error itself.
    """
    streams = {id(stream): stream for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)}
    for stream in streams.values():
        with contextlib.suppress(Exception):
            if stream is not None:
                stream.flush()
    _native.flush_stdio()


def _offset_now() -> int | None:
    """Where the next byte goes when standard output is a regular file: its end when it is opened for appending."""
    import fcntl

    try:
        status = os.fstat(_STDOUT)
        if not stat.S_ISREG(status.st_mode):
            return None
        if fcntl.fcntl(_STDOUT, fcntl.F_GETFL) & os.O_APPEND:
            return status.st_size
        return os.lseek(_STDOUT, 0, os.SEEK_CUR)
    except OSError:
        return None
