"""Files that the program has mapped for writing, and torch's shared memory: a fork shares these pages, and its child
would see what the program does to them later. They are copied at the commit point, and the child gets the copies in
their place.
"""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

from forkpoint import _native
from forkpoint.errors import Refused
from forkpoint.limits import MAPPED_BYTES_MAX, SHARED_BYTES_MAX

_SHARED: Final = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) .w.s \S+ \S+ [1-9]\d* +(/.*)$", re.MULTILINE)
_NO_FILES: Final = (b"/dev/zero", b"/dev/nvidia", b"/memfd:", b"/SYSV")
_TORCH: Final = b"/dev/shm/torch_"
"""What `share_memory_()` makes, and what a DataLoader's workers send: files that have lost their names when seen."""


class Mappings(NamedTuple):
    """`text` is /proc/self/maps where there are any; `copies` are addresses and what was there, `paths` the files."""

    text: str = ""
    copies: tuple[tuple[int, bytes], ...] = ()
    paths: frozenset[str] = frozenset()


_none_at: list[int] = []
"""How many files had been mapped when there was last no mapping; looking for them takes a millisecond."""


def at_commit() -> Mappings:
    """In the program. Raises Refused where more is mapped than can be copied while it is stopped."""
    count = _native.files_mapped()
    if _none_at == [count] and count >= 0:
        return Mappings()
    text, spans = _look()
    _none_at[:] = [] if spans else [count]
    if not spans:
        return Mappings()
    files = [span for span in spans if not span[2].startswith(_TORCH)]
    _require_at_most(MAPPED_BYTES_MAX, files, "modes 'r' and 'c' do not count")
    _require_at_most(SHARED_BYTES_MAX, [span for span in spans if span not in files], "smaller batches of workers do")
    try:
        copies = tuple((low, _native.memory_read(low, high - low)) for low, high, _ in spans)
    except OSError as problem:
        raise Refused(f"{os.fsdecode(spans[0][2])} is mapped beyond its end") from problem
    return Mappings(os.fsdecode(text), copies, frozenset(os.fsdecode(path) for _, _, path in files))


def _require_at_most(limit: int, spans: list[tuple[int, int, bytes]], hint: str) -> None:
    if sum(high - low for low, high, _ in spans) > limit:
        raise Refused(
            f"{os.fsdecode(spans[0][2])} is mapped for writing, and more than {limit >> 20} MiB in all"
            " cannot be held still",
            hint=f"commits are taken while less is mapped for writing; {hint}",
        )


def _look() -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """/proc/self/maps, and the shared mappings in it that the program may write to."""
    with open("/proc/self/maps", "rb") as file:
        text = file.read()
    spans = [
        (int(low, 16), int(high, 16), path)
        for low, high, path in _SHARED.findall(text)
        if path.startswith(_TORCH) or not (path.startswith(_NO_FILES) or path.endswith(b" (deleted)"))
    ]
    return text, spans


def look_again() -> None:
    """In the program, after a child that refused: whatever the count says, there may be a mapping."""
    _none_at.clear()


def hold_still(mappings: Mappings) -> None:
    """In the child, before it reads any object. Raises Refused where a file is mapped that was not looked for: only
    what Python maps is counted, and C code may map as well.
    """
    if not mappings.text and (spans := _look()[1]):
        raise Refused(f"{os.fsdecode(spans[0][2])} has been mapped for writing by C code", hint="the next one looks")
    for address, content in mappings.copies:
        _native.memory_replace(address, content)
