"""Directory iterators (os.scandir): one that has ended, such as every frame of os.walk holds, comes back as ended; one
under way is an open directory of this process.
"""

from __future__ import annotations

import os
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode.reducers import Context, reduces


def ended() -> Any:
    """An iterator with nothing to come."""
    made = os.scandir("/")
    made.close()
    return made


_KIND: Final = type(ended())


def _stream(iterator: Any) -> bytes:
    # ScandirIterator (posixmodule.c) ends with a pointer, NULL once there is nothing to come, and a descriptor.
    return _native.memory_read(id(iterator) + _KIND.__basicsize__ - 16, 8)


def _shows_its_end() -> bool:
    with os.scandir("/") as under_way:
        return any(_stream(under_way)) and not any(_stream(ended()))


_SHOWS: Final = _shows_its_end()


@reduces(_KIND)
def _reduce(obj: Any, context: Context) -> Any:
    if _SHOWS and not any(_stream(obj)):
        return ended, ()
    return context.tombstone(obj, "a directory that is just being read is open in this process only")
