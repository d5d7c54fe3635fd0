"""Small C objects of the standard library that pickle knows nothing of: csv readers and writers, struct's formats."""

from __future__ import annotations

import _csv
import _struct
import collections
import gc
import itertools
from typing import Any

from forkpoint import _native
from forkpoint.encode.reducers import Context, reduces, reduces_named
from forkpoint.encode.unasked import unasked

_DIALECT_FIELDS = "delimiter doublequote escapechar lineterminator quotechar quoting skipinitialspace strict".split()
_reader = type(_csv.reader(()))
_dialect = type(_csv.reader(()).dialect)


def make_dialect(options: dict[str, Any]) -> Any:
    """A csv dialect as readers and writers hold it."""
    return _csv.reader((), **options).dialect


@reduces(_dialect)
def _reduce_dialect(obj: Any, context: Context) -> Any:
    return make_dialect, ({name: getattr(obj, name) for name in _DIALECT_FIELDS},)


def make_reader(source: Any, dialect: Any, line: int) -> Any:
    """A csv reader between two rows."""
    reader = _csv.reader(source, dialect)
    _native.member_set(vars(type(reader))["line_num"], reader, line)
    return reader


@reduces(_reader)
def _reduce_reader(obj: Any, context: Context) -> Any:
    sources = [value for value in gc.get_referents(obj) if hasattr(value, "__next__")]
    if not sources:
        return context.tombstone(obj, "a csv reader without its source")
    return make_reader, (unasked(sources[0]), obj.dialect, obj.line_num)


class _Target:
    """Gives csv.writer the very write method that another writer had."""

    def __init__(self, write: Any) -> None:
        self.write = write


_writer = type(_csv.writer(_Target(print)))


def make_writer(write: Any, dialect: Any) -> Any:
    """A csv writer over that write method."""
    return _csv.writer(_Target(write), dialect)


@reduces(_writer)
def _reduce_writer(obj: Any, context: Context) -> Any:
    targets = [value for value in gc.get_referents(obj) if callable(value) and not isinstance(value, type)]
    if not targets:
        return context.tombstone(obj, "a csv writer without its target")
    return make_writer, (targets[0], obj.dialect)


@reduces(_struct.Struct)
def _reduce_struct(obj: Any, context: Context) -> Any:
    return _struct.Struct, (obj.format,)


def unpack_from(form: Any, data: Any, given: int) -> Any:
    """What `form.iter_unpack(data)` is once it has given so many."""
    iterator = form.iter_unpack(data)
    collections.deque(itertools.islice(iterator, given), maxlen=0)
    return iterator


def unpacked() -> Any:
    """One that has ended."""
    return unpack_from(_struct.Struct("b"), b"0", 2)


@reduces(type(_struct.iter_unpack("b", b"")))
def _reduce_unpack_iterator(obj: Any, context: Context) -> Any:
    held = [value for value in gc.get_referents(obj) if not isinstance(value, type)]
    if len(held) != 2:
        return unpacked, ()
    form, data = held
    return unpack_from, (form, data, memoryview(data).nbytes // form.size - obj.__length_hint__())


_UNSHOWN = {
    "_bz2": ("BZ2Compressor", "BZ2Decompressor"),
    "_lzma": ("LZMACompressor", "LZMADecompressor"),
    "zlib": ("_ZlibDecompressor",),
}


@reduces_named(_UNSHOWN)
def _reduce_codec(obj: Any, context: Context) -> Any:
    return context.tombstone(obj, "its library shows no state of a stream, and makes no copies of it")
