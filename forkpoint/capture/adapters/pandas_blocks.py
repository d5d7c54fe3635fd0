"""pandas: frames and series that share memory keep knowing so, or a write into one would show in the other.

Copy-on-write counts who shares a block in `BlockValuesRefs`; pandas' own pickling starts a new count for each block
while the arrays stay shared. Indexes keep their very values (`_new_Index` copies them).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import pandas as pd
from pandas._config import config
from pandas._libs.internals import BlockPlacement, BlockValuesRefs
from pandas.core.generic import NDFrame
from pandas.core.internals import blocks
from pandas.core.internals.managers import SingleBlockManager

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def reduce_references(references: Any, context: ReduceContext) -> Any:
    """The count itself; blocks and indexes enter themselves again as they are rebuilt."""
    return make_references, ()


def make_references() -> Any:
    """A count nobody has entered yet."""
    return BlockValuesRefs()


def reduce_block(block: Any, context: ReduceContext) -> Any:
    """A block with its values and whom it shares them with."""
    placement = block.mgr_locs
    where = placement.as_slice if placement.is_slice_like else placement.as_array
    return make_block, (type(block), block.values, where, block.ndim, block.refs)


def make_block(cls: Any, values: Any, where: Any, ndim: int, references: Any) -> Any:
    """A block on exactly these values."""
    return cls(values, placement=BlockPlacement(where), ndim=ndim, refs=references)


def reduce_series_manager(manager: Any, context: ReduceContext) -> Any:
    """What holds a series' only block; pandas' own protocol takes the block apart."""
    return make_series_manager, (type(manager), manager.blocks[0], manager.index)


def make_series_manager(cls: Any, block: Any, index: Any) -> Any:
    """A manager of exactly this block."""
    return cls(block, index)


def reduce_index(index: Any, context: ReduceContext) -> Any:
    """An index on its very values. Ranges and levels keep pandas' own protocol."""
    if isinstance(index, (pd.RangeIndex, pd.MultiIndex)) or not hasattr(index, "_data"):
        return NotImplemented
    return make_index, (type(index), index._data, index._name, index._references, getattr(index, "_freq", None))


def make_index(cls: Any, values: Any, name: Any, references: Any, steps: Any) -> Any:
    """An index on these values, entered among those that share them."""
    index = cls._simple_new(values, name=name, refs=references)
    if steps is not None:
        index._freq = steps
    if references is not None and index._references is not references:
        index._references = references
        references.add_index_reference(index)
    return index


def reduce_frame(frame: Any, context: ReduceContext) -> Any:
    """pandas' own protocol, with attributes the program put on the object, which that protocol drops. One that is just
    being made, of a generator's rows, has no content yet.
    """
    if "_mgr" not in vars(frame):
        return make_frame, (type(frame),), dict(vars(frame)), None, None, fill_unmade
    own = frame.__getstate__()
    known = {*own, *frame._internal_names, *frame._metadata, "_attrs"}
    extra = {k: v for k, v in vars(frame).items() if k not in known and not hasattr(type(frame), k)}
    if not extra:
        return NotImplemented
    return make_frame, (type(frame),), (own, extra), None, None, fill_frame


def make_frame(cls: type) -> Any:
    """A frame or series without content."""
    return object.__new__(cls)


def fill_frame(frame: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """Its content and the program's attributes."""
    frame.__setstate__(state[0])
    frame.__dict__.update(state[1])


def fill_unmade(frame: Any, attributes: dict[str, Any]) -> None:
    """What it has before it has content."""
    frame.__dict__.update(attributes)


def _option(key: str) -> Any:
    """An option past `get_option`, which warns of some; to silence that makes all warnings new to the program."""
    table, name = config._get_root(key)
    return table[name]


class _Blocks(Quiet):
    name = "pandas_blocks"
    module = "pandas"

    def reducers(self) -> Mapping[type, Reducer]:
        return {
            BlockValuesRefs: reduce_references,
            blocks.Block: reduce_block,
            SingleBlockManager: reduce_series_manager,
            pd.Index: reduce_index,
            NDFrame: reduce_frame,
        }

    def before_fork(self) -> dict[str, Any]:
        """Options that differ from their defaults."""
        now = {key: _option(key) for key in config._registered_options}
        return {key: value for key, value in now.items() if value != config._registered_options[key].defval}

    def restore(self, state: dict[str, Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for key, option in config._registered_options.items():
                wanted = state.get(key, option.defval)
                if _option(key) != wanted:
                    config.set_option(key, wanted)


ADAPTER = _Blocks()
