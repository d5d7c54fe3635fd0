"""A text that is equal for equal objects, made in two processes: type, content and attributes, all the way down."""

from __future__ import annotations

import hashlib
import re
import types
from collections.abc import Iterator
from typing import Any, Final

from forkpoint import _native

_DEPTH_MAX: Final = 8
_ITEMS_MAX: Final = 200
_TEXT_MAX: Final = 200
_ATOMS: Final = (type(None), bool, int, float, complex, str, bytes, bytearray, range, slice, type(...))
_PROCESS: Final = frozenset({"__builtins__", "_tstate_lock", "_handle", "_ident", "_native_id", "__orig_bases__"})
"""Attributes that say which process this is."""


def of(obj: Any) -> str:
    """The picture. Addresses are left out; sets are sorted where their order is no promise."""
    return "\n".join(_lines(obj, {}, 0))


def _lines(obj: Any, seen: dict[int, int], depth: int) -> Iterator[str]:
    pad = "  " * depth
    kind = type(obj)
    if kind is int and (obj == id(None) or obj in seen):
        yield f"{pad}the id of {seen.get(obj)}"
        return
    if kind in _ATOMS:
        yield pad + _short(repr(obj))
        return
    if id(obj) in seen:
        yield f"{pad}again {seen[id(obj)]}"
        return
    seen[id(obj)] = len(seen)
    _KEPT.append(obj)
    yield f"{pad}{_name(kind)}"
    if depth >= _DEPTH_MAX:
        return
    if isinstance(obj, types.ModuleType):
        yield f"{pad}  {obj.__name__}"
        return
    for label, value in _parts(obj):
        yield f"{pad} .{label}"
        yield from _lines(value, seen, depth + 1)


_KEPT: Final[list[Any]] = []
"""What pictures were made of: alive, so that no two objects have had the same id."""


def _name(kind: type) -> str:
    module = re.sub(r"^forkpoint_case_\d+", "program", str(kind.__module__))
    return f"{module}.{kind.__qualname__}"


def _short(text: str) -> str:
    text = re.sub(r" (?:at |@ |)0x[0-9a-fA-F]{6,}|=0x[0-9a-f]+|owner=\d+|<weakref[^>]*>|c_void_p\(\d+\)", "", text)
    text = re.sub(r"forkpoint_case_\d+", "program", text)
    return text if len(text) <= _TEXT_MAX else f"{text[:80]}... {hashlib.blake2b(text.encode()).hexdigest()}"


def _parts(obj: Any) -> Iterator[tuple[str, Any]]:
    """Labelled parts of anything that is not an atom."""
    library = type(obj).__module__.partition(".")[0]
    if isinstance(obj, type):
        names = sorted(name for name in vars(obj) if name not in ("__dict__", "__weakref__", "__doc__"))
        yield "class", f"{_name(obj)} {[base.__qualname__ for base in obj.__mro__]} {names}"
    elif isinstance(obj, types.FunctionType):
        yield "code", hashlib.blake2b(obj.__code__.co_code).hexdigest() + obj.__qualname__
        yield "closure", [cell.cell_contents for cell in obj.__closure__ or () if _filled(cell)]
        yield "defaults", (obj.__defaults__, obj.__kwdefaults__)
    elif library in _BY_LIBRARY and (found := _BY_LIBRARY[library](obj)) is not None:
        yield "content", found
    else:
        if type(obj).__repr__.__qualname__ != "object.__repr__" and not isinstance(
            obj, list | tuple | dict | set | frozenset
        ):
            yield "repr", repr(obj)  # first: it may fill caches
        yield from _content(obj)
        attributes, _ = _native.instance_dict(obj)
        for name, value in sorted((attributes or {}).items()):
            if name not in _PROCESS:
                yield str(name), value


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - empty cells raise
    except ValueError:
        return False
    return True


def _content(obj: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(obj, dict):
        for index, (key, value) in enumerate(list(dict.items(obj))[:_ITEMS_MAX]):
            yield f"key {index}", key
            yield f"value {index}", value
    elif isinstance(obj, list | tuple):
        for index, value in enumerate(obj[:_ITEMS_MAX]):
            yield str(index), value
    elif isinstance(obj, set | frozenset):
        for index, text in enumerate(sorted(of(value) for value in obj)[:_ITEMS_MAX]):
            yield str(index), text


def _numpy(obj: Any) -> Any:
    import numpy as np

    if isinstance(obj, np.ndarray):
        content = (
            obj.tolist() if obj.dtype.hasobject else hashlib.blake2b(np.ascontiguousarray(obj).tobytes()).hexdigest()
        )
        shape = (str(obj.dtype), obj.shape, obj.strides, obj.flags.writeable, obj.flags.owndata)
        return [*shape, content, dict(getattr(obj, "__dict__", {}))]
    if obj is np.random.mtrand._rand:
        return "numpy's own"
    if isinstance(obj, np.random.Generator | np.random.RandomState):
        return str(obj.bit_generator.state if isinstance(obj, np.random.Generator) else obj.get_state(legacy=False))
    return None


def _pandas(obj: Any) -> Any:
    import pandas as pd

    if isinstance(obj, pd.DataFrame):
        return [str(obj.dtypes.to_dict()), obj.index.tolist(), obj.columns.tolist(), obj.to_dict("list"), obj.attrs]
    if isinstance(obj, pd.Series | pd.Index):
        return [str(obj.dtype), obj.tolist(), str(obj.name)]
    return None


def _torch(obj: Any) -> Any:
    import torch

    if type(obj) in (torch.Tensor, torch.nn.Parameter) and obj.layout == torch.strided and obj.device.type == "cpu":
        if obj.is_quantized:
            return [repr(obj)]
        grad = obj.grad if obj.is_leaf else None
        return [str(obj.dtype), tuple(obj.shape), obj.requires_grad, _short(repr(obj.detach().tolist())), grad]
    return repr(obj) if isinstance(obj, torch.Tensor) else None


_BY_LIBRARY: Final = {"numpy": _numpy, "pandas": _pandas, "torch": _torch}
