"""pandas: a CSV file that is being read in chunks is opened again, and the rows that were read are passed over.

The C parser cannot be saved, and does not tell where in the file it is. It is made anew with the same options on the
same file, whose content the restore has made sure of, and reads so many rows for nothing.
"""

from __future__ import annotations

import io
import sys
import types
from collections.abc import Mapping
from typing import Any, Final

from pandas.io.parsers import readers
from pandas.io.parsers.c_parser_wrapper import CParserWrapper

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.model import ReduceContext, Reducer

_MADE_AGAIN: Final = frozenset({"handles", "_engine"})
_PARSER: Final = frozenset({"_reader"})


def reduce_reader(reader: Any, context: ReduceContext) -> Any:
    """A reader by its options, its position and the path of its file; one without a path keeps pandas' own way."""
    engine, handles = vars(reader).get("_engine"), vars(reader).get("handles")
    if type(engine) is not CParserWrapper or handles is None:
        return NotImplemented
    path = _path(handles)
    if path is None:
        return NotImplemented
    if _is_reading():
        raise Refused("pandas is reading a chunk of a file, and has not counted its rows yet")
    state = (path, attributes(reader, _MADE_AGAIN), attributes(engine, _PARSER), bool(handles.handle.closed))
    return make_reader, (type(reader),), state, None, None, fill_reader


def _is_reading() -> bool:
    """Whether a call of `read` is on this thread's stack, which in the forked child is the program's: the parser may
    be ahead of `_currow`.
    """
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is readers.TextFileReader.read.__code__:
            return True
        frame = frame.f_back
    return False


def _path(handles: Any) -> str | None:
    """The path pandas opened; None for a file that the program opened, or that is no file."""
    if not handles.created_handles:
        return None
    handle = handles.handle
    name = getattr(handle.buffer if isinstance(handle, io.TextIOWrapper) else handle, "name", None)
    return name if isinstance(name, str) else None


def make_reader(cls: Any) -> Any:
    """A reader without attributes."""
    return object.__new__(cls)


def fill_reader(reader: Any, state: tuple[str, Any, Any, bool]) -> None:
    """Its attributes, and a parser that stands behind the rows that were read. Raises what opening the file raises."""
    path, own, engine, closed = state
    fill(reader, own)
    reader._engine = reader._make_engine(path, reader.engine)
    if closed:
        readers.TextFileReader.close(reader)
    elif reader._currow:
        reader._engine._reader.read(reader._currow)
    fill(reader._engine, engine)


class _Readers(Quiet):
    name = "pandas_readers"
    module = "pandas.io.parsers.readers"

    def reducers(self) -> Mapping[type, Reducer]:
        return {readers.TextFileReader: reduce_reader}


ADAPTER = _Readers()
