"""h5py: files open for reading, and the groups and datasets in them, are opened again by their paths.

What is open for writing has its newest bytes in the memory of the HDF5 library: it is a tombstone, and a program that
closes its files between two writes resumes.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Final

import h5py

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_DRIVERS: Final = ("sec2", "stdio")

_opened: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""While restoring: one open file for all that was in one, by the number that HDF5 had given it."""


def reduce_file(file: Any, context: ReduceContext) -> Any:
    """An open file by path and driver; a closed one as such."""
    if not file:
        return make_closed, (type(file),)
    if file.mode != "r" or file.driver not in _DRIVERS:
        return context.tombstone(file, "an HDF5 file that is open for writing: close it after each write")
    number = h5py.h5o.get_info(file.id).fileno
    return make_file, (type(file), number, file.filename, file.driver, file.swmr_mode)


def reduce_item(item: Any, context: ReduceContext) -> Any:
    """A group or dataset by its file and its name in it."""
    if not item:
        return make_closed, (type(item),)
    if item.file.mode != "r" or item.name is None:
        return context.tombstone(item, "in an HDF5 file that is open for writing, or without a name")
    return make_item, (item.file, item.name)


def make_closed(kind: Any) -> Any:
    """What belonged to a file that was closed."""
    made = kind.__new__(kind)
    made._id = None
    return made


def make_file(kind: Any, number: int, path: str, driver: str, swmr: bool) -> Any:
    """The file, opened again once. Raises OSError as opening it does."""
    known = _opened.get(number)
    if known:
        return kind(known.id)
    made = _opened[number] = kind(path, "r", driver=driver, swmr=swmr)
    return made


def make_item(file: Any, name: str) -> Any:
    """The group or dataset of this name."""
    return file[name]


class _Files(Quiet):
    name = "hdf5_files"
    module = "h5py"

    def reducers(self) -> Mapping[type, Reducer]:
        return {h5py.File: reduce_file, h5py.Group: reduce_item, h5py.Dataset: reduce_item}


ADAPTER = _Files()
