"""What worker processes see of the program, as a digest: a worker made again from a program that has gone on is the
same worker only if none of that has changed.

Seen is what they are started with and given to do, such as a DataLoader's dataset or the function of a pool's tasks,
all that these hold, the program's functions and classes behind them, and the globals those read. Libraries are taken as
they are. Digests mean something within one process only.
"""

from __future__ import annotations

import dis
import functools
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Any, Final

import blake3

from forkpoint.capture import roots
from forkpoint.capture.adapters._attributes import attributes
from forkpoint.errors import Refused
from forkpoint.limits import COMPARED_BYTES_MAX

_SMALL_BYTES: Final = 4096
"""Content up to this size goes into the stream: quicker than a hash of its own."""

_GLOBAL: Final = ("LOAD_GLOBAL", "LOAD_NAME")
_NOT_STATE: Final = ("__dict__", "__weakref__", "__module__", "__annotations__", "__doc__", "__abstractmethods__")
_LOCKS: Final = frozenset({"lock", "RLock", "LockType"})
_BETWEEN_PROCESSES: Final = ("multiprocessing.", "concurrent.futures.")
"""Pools, queues and locks: which workers share, or have no use for."""
_BASES: Final = (list, tuple, set, frozenset)


def digest(seen: Any) -> bytes:
    """32 bytes that stay the same as long as `seen`, and all that it leads to, does.

    Raises Refused, naming the type, where something cannot be compared: an open file or connection, or too much.
    """
    hasher = _Hasher()
    looker = _Looker(hasher)
    try:
        looker.dump(seen)
    except Refused:
        raise
    except Exception as problem:
        raise Refused(f"what worker processes were started with cannot be compared: {problem}") from problem
    return hasher.blake.digest()


class _Hasher:
    """A file that only hashes."""

    def __init__(self) -> None:
        self.blake = blake3.blake3()
        self.left = COMPARED_BYTES_MAX

    def write(self, data: Any) -> int:
        """Part of the stream."""
        self.blake.update(data)
        return len(data)

    def content(self, data: Any) -> None:
        """Bytes of an array, which are counted."""
        view = memoryview(data).cast("B")
        self.left -= view.nbytes
        if self.left < 0:
            raise Refused(
                f"worker processes were started with more than {COMPARED_BYTES_MAX >> 20} MiB of arrays: too much to "
                "be compared at each commit",
                hint="keep large data in torch tensors or in np.memmap(..., mode='r')",
            )
        self.blake.update(view)


class _Looker(pickle.Pickler):
    """A pickler whose stream nobody loads: it says of each object what a worker could see of it."""

    def __init__(self, hasher: _Hasher) -> None:
        super().__init__(hasher, 5, buffer_callback=lambda buffer: hasher.content(buffer.raw()))
        self._hasher = hasher
        self._program = {module.__name__ for module in roots.find().by_value} | {"__main__"}

    def reducer_override(self, obj: Any) -> Any:
        """The program's own by what it is, tensors by content, libraries' objects by their protocol."""
        if obj is _said:
            return NotImplemented
        torch, np = sys.modules.get("torch"), sys.modules.get("numpy")
        if torch is not None and isinstance(obj, torch.Tensor):
            return self._tensor(torch, obj)
        if torch is not None and isinstance(obj, torch.Generator):
            return _said, ("Generator",), obj.get_state()
        if np is not None and isinstance(obj, np.memmap):
            return _said, ("memmap", obj.filename, obj.offset, obj.shape, obj.dtype.str, obj.mode)
        if isinstance(obj, types.FunctionType):
            return self._function(obj) if self._is_own(obj) else (_said, (obj.__module__, obj.__qualname__))
        if isinstance(obj, type):
            return self._class(obj) if self._is_own(obj) else (_said, (obj.__module__, obj.__qualname__))
        if isinstance(obj, types.ModuleType):
            return _said, ("module", obj.__name__)
        special = _SPECIAL.get(type(obj))
        if special is not None:
            return _said, (type(obj).__name__,), special(obj)
        if (
            type(obj).__name__ in _LOCKS
            or type(obj).__module__.startswith(_BETWEEN_PROCESSES)
            or any(obj is stream for stream in (sys.stdin, sys.stdout, sys.stderr))
        ):
            return _said, (type(obj).__name__,)
        if type(obj).__module__ in self._program:
            return _said, (type(obj),), (attributes(obj), _contents(obj))
        return NotImplemented

    def _is_own(self, obj: Any) -> bool:
        return obj.__module__ in self._program or "<locals>" in obj.__qualname__

    def _tensor(self, torch: Any, tensor: Any) -> Any:
        if tensor.layout is not torch.strided or not tensor.is_cpu or tensor.is_quantized:
            return NotImplemented
        facts = (tuple(tensor.shape), id(tensor.dtype), id(type(tensor)), vars(tensor))
        if tensor.nbytes > self._hasher.left:
            # torch counts the writes to each tensor's memory.
            return _said, (*facts, tensor.stride(), tensor.data_ptr(), tensor._version)
        content = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
        if content.nbytes <= _SMALL_BYTES:
            return _said, (*facts, content.tobytes())
        self._hasher.content(content)
        return _said, facts

    def _function(self, function: types.FunctionType) -> Any:
        cells = [cell.cell_contents if _is_full(cell) else None for cell in function.__closure__ or ()]
        state = (function.__defaults__, function.__kwdefaults__, cells, vars(function), dict(self._globals(function)))
        return _said, (function.__qualname__, hash(function.__code__)), state

    def _globals(self, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
        names, attribute_names = _names_in(function.__code__)
        namespace = function.__globals__
        for name in names:
            if name not in namespace:
                continue
            value = namespace[name]
            if isinstance(value, types.ModuleType) and value.__name__ in self._program:
                yield from ((f"{name}.{key}", held) for key, held in vars(value).items() if key in attribute_names)
            else:
                yield name, value

    def _class(self, cls: type) -> Any:
        state = {name: value for name, value in vars(cls).items() if name not in _NOT_STATE and name != "_abc_impl"}
        return _said, (cls.__qualname__, cls.__bases__), state


def _said(*facts: Any) -> None:
    """What a reducer names as the maker of an object; nothing is ever made of this stream."""


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


@functools.lru_cache(maxsize=1024)
def _names_in(code: types.CodeType) -> tuple[tuple[str, ...], frozenset[str]]:
    """The globals that this code and the code within it load, and the names of attributes."""
    found: dict[str, None] = {}
    attribute_names = set(code.co_names)
    for instruction in dis.get_instructions(code):
        if instruction.opname in _GLOBAL:
            found[str(instruction.argval)] = None
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names, others = _names_in(constant)
            found.update(dict.fromkeys(names))
            attribute_names |= others
    return tuple(found), frozenset(attribute_names)


def _contents(obj: Any) -> list[Any]:
    """What an instance of a program's class derived from a container holds."""
    if isinstance(obj, dict):
        return list(dict.items(obj))
    base: Any = next((base for base in _BASES if isinstance(obj, base)), None)
    return [] if base is None else list(base.__iter__(obj))


_SPECIAL: Final[dict[type, Any]] = {
    property: lambda obj: (obj.fget, obj.fset, obj.fdel),
    staticmethod: lambda obj: obj.__func__,
    classmethod: lambda obj: obj.__func__,
    functools.cached_property: lambda obj: obj.func,
    functools.partial: lambda obj: (obj.func, obj.args, obj.keywords, vars(obj)),
    types.MappingProxyType: dict,
    types.MemberDescriptorType: lambda obj: obj.__qualname__,
    types.GetSetDescriptorType: lambda obj: obj.__qualname__,
    types.MethodType: lambda obj: (obj.__func__, obj.__self__),
}
"""What pickle refuses, or would say less of than a worker sees."""
