"""A pickle stream without its frames.

Since protocol 4 the C pickler cuts what it writes into frames of 64 KiB, each with its length before it (PEP 3154). The
place of every such head depends on all that came before: one string that is a character longer than at the last commit
moves them all, and every chunk from there on is another one. Readers need no frames (Modules/_pickle.c,
_Unpickler_ReadImpl), and older restore points that have them are read as before.

What the pickler writes in one go is one frame, or a frame and the head of a large string or of large bytes whose
payload comes next, by itself and as it is (_Pickler_write_bytes). Payloads may look like anything, so they are known
by what was written before them, never by their first bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_PROTO: Final = b"\x80"
_FRAME: Final = b"\x95"
_FRAME_HEAD_BYTES: Final = 9
_PAYLOAD_BYTES_MIN: Final = 64 << 10
_HEADS: Final = ((5, b"XB"), (9, b"\x8d\x8e\x96"))
"""How many bytes the head of a payload has, and which opcodes it begins with: strings, bytes and bytearrays."""


class Unframed:
    """The file of a pickler, which hands on to `write` all but the frames."""

    __slots__ = ("_payload_next", "_write")

    def __init__(self, write: Callable[[Any], object]) -> None:
        self._write = write
        self._payload_next = False

    def write(self, data: Any) -> None:
        """One thing that the pickler writes: a part of its stream, or a payload."""
        if self._payload_next:
            self._payload_next = False
            self._write(data)
            return
        with memoryview(data) as view:
            at = 2 if bytes(view[:1]) == _PROTO else 0
            if bytes(view[at : at + 1]) == _FRAME:
                body = at + _FRAME_HEAD_BYTES
                end = body + int.from_bytes(view[at + 1 : body], "little")
                self._write(view[:at])
                self._write(view[body:])
            else:
                end = at
                self._write(view)
            self._payload_next = _ends_in_head(view[end:])


def _ends_in_head(rest: memoryview) -> bool:
    """Whether what follows a frame is the head of a payload. The end of a short stream is the other thing it can be."""
    for size, opcodes in _HEADS:
        if len(rest) >= size and rest[-size] in opcodes:
            if int.from_bytes(rest[1 - size :], "little") >= _PAYLOAD_BYTES_MIN:
                return True
    return False
