"""Text files over memory (`TextIOWrapper(BytesIO())`): what waits in them, where they read, how they write line ends.

Only for the forked child: the text file is used up in finding out; the buffer beneath is another's meanwhile.
"""

from __future__ import annotations

import _io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode.detour import line_ends_read, line_ends_sample

_BUFFER: Final = vars(_io.TextIOWrapper)["buffer"]
_TRANSLATED: Final = ("\r\n", "\r")


@dataclass(frozen=True, slots=True)
class InMemory:
    """`waiting`: text written that has not reached the buffer. `position`: a cookie for `seek`, None to leave it."""

    waiting: str
    position: int | None
    newline: str | None


@contextmanager
def _over(text: Any, scratch: Any) -> Iterator[None]:
    own = text.buffer
    _native.member_set(_BUFFER, text, scratch)
    try:
        yield
    finally:
        _native.member_set(_BUFFER, text, own)


def examine(text: Any) -> InMemory:
    """All of it. Raises ValueError where the position among text read ahead cannot be told."""
    if not isinstance(text.buffer, _io.BytesIO):
        raise ValueError(f"it is over a {type(text.buffer).__qualname__}, which does not show what was read ahead")
    whole, place = _io.BytesIO.getvalue(text.buffer), _io.BytesIO.tell(text.buffer)
    waiting, position = _waiting(text, whole, place)
    written = _io.BytesIO()
    with _over(text, written):
        text.write("\n")
        text.flush()
    line_end = written.getvalue().decode(text.encoding)
    if line_end in _TRANSLATED:
        newline: str | None = line_end
    else:
        with _over(text, _io.BytesIO(line_ends_sample().encode(text.encoding))):
            newline = line_ends_read(text)
    pending = waiting.decode(text.encoding, text.errors)
    return InMemory(pending.replace(line_end, "\n"), position, newline)


def _waiting(text: Any, whole: bytes, place: int) -> tuple[bytes, int | None]:
    """What waits to be written, or else where it reads if that is not simply where its buffer stands.

    There is never both: writing gives up what was read ahead. `flush()` would make `tell()` lie (textio.c).
    """
    copy = _io.BytesIO(whole)
    copy.seek(place)
    cookie = place
    with _over(text, copy):
        try:
            cookie = int(text.tell())
        except OSError:  # in the middle of `for line in text`, which forbids tell()
            text.flush()
            if copy.tell() == place:
                return b"", _search(text, whole, place)
    if copy.tell() != place:
        return copy.getvalue()[place : copy.tell()], None
    return b"", None if cookie == place else cookie


def _search(text: Any, whole: bytes, place: int) -> int | None:
    """The place from which on the buffer's content reads as the text that is still to come."""
    with _over(text, _io.BytesIO(whole[place:])):
        rest = text.read()
    if not rest:
        return None
    content = whole.decode(text.encoding, text.errors)
    if content.endswith(rest):
        before = content[: len(content) - len(rest)]
    else:  # line ends were translated, which makes two characters one
        shown = content.replace("\r\n", "\n")
        if not shown.replace("\r", "\n").endswith(rest):
            raise ValueError("the text read ahead is not what its buffer holds")
        before = _untranslated(content, len(shown) - len(rest))
    return len(before.encode(text.encoding, text.errors))


def _untranslated(content: str, length: int) -> str:
    """The beginning of `content` that reads as `length` characters once each pair of line ends is one."""
    for pairs, found in enumerate(re.finditer("\r\n", content)):
        if found.start() - pairs >= length:
            return content[: length + pairs]
    return content[: length + content.count("\r\n")]
