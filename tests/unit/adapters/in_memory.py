"""A pickler in memory that hands objects to the adapters' reducers as the encode stage does."""

from __future__ import annotations

import contextvars
import io
import pickle
import sys
import threading
import weakref
from typing import Any

import cloudpickle

from forkpoint.capture import ambient


class Stored:
    """A stored buffer: what a rebuilding function receives."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.nbytes = len(data)

    def readinto(self, target: memoryview) -> None:
        assert target.nbytes == self.nbytes and target.format == "B" and not target.readonly
        target[:] = self.data


class Lost:
    """A tombstone."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Pickler(cloudpickle.Pickler):
    """cloudpickle with the reducers of all loaded libraries in front, and a library's singletons by name."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.table = ambient.reducers()
        self.buffers: list[int] = []
        self.unread = False

    def buffer(self, view: memoryview, itemsize: int = 1) -> Stored:
        assert view.format == "B" and view.contiguous and itemsize >= 1
        self.buffers.append(view.nbytes)
        return Stored(bytes(view))

    def tombstone(self, obj: Any, reason: str) -> tuple[Any, ...]:
        return Lost, (reason,)

    def persistent_id(self, obj: Any) -> Any:
        return _name_of(obj)

    def reducer_override(self, obj: Any) -> Any:
        # By what makes them: their types have no name a pickle could say on 3.11.
        if type(obj) is type(threading.Lock()):
            return threading.Lock, ()
        if type(obj) is type(threading.RLock()):
            return threading.RLock, ()
        if type(obj) is weakref.ref:
            return weakref.ref, (obj(),)
        if type(obj) is memoryview:
            return memoryview, (obj.obj,)
        if not isinstance(obj, type):
            for kind in type(obj).__mro__:
                if kind in self.table:
                    value = self.table[kind](obj, self)
                    if value is not NotImplemented:
                        return value
        return super().reducer_override(obj)


def _name_of(obj: Any) -> str | None:
    """The process's own streams, and those pytest has put in their place."""
    for name in ("stdin", "stdout", "stderr"):
        if obj is getattr(sys, f"__{name}__"):
            return f"__{name}__"
        if obj is getattr(sys, name) and type(obj).__module__.startswith("_pytest."):
            return name
    if type(obj) is io.TextIOWrapper and obj.name in (0, 1, 2):
        # A worker of pytest-xdist opens these descriptors anew for itself: the very object, or its own go astray.
        return _itself(obj)
    return _itself(obj) if type(obj) is contextvars.ContextVar else None


_selves: dict[int, Any] = {}


def _itself(obj: Any) -> str:
    _selves[id(obj)] = obj
    return str(id(obj))


class Unpickler(pickle.Unpickler):
    def persistent_load(self, name: Any) -> Any:
        return _selves[int(name)] if name.isdecimal() else getattr(sys, name)


def dumps(value: Any) -> bytes:
    file = io.BytesIO()
    Pickler(file).dump(value)
    return file.getvalue()


def loads(data: bytes) -> Any:
    return Unpickler(io.BytesIO(data)).load()


def again(value: Any) -> Any:
    """What comes back of `value`, by its own pickle stream."""
    return loads(dumps(value))


def buffers_of(value: Any) -> list[int]:
    """Lengths of the buffers that saving `value` stores."""
    pickler = Pickler(io.BytesIO())
    pickler.dump(value)
    return pickler.buffers


def torch_state() -> dict[str, Any]:
    """torch's own ambient state."""
    state = ambient.capture(ambient.before_fork())
    return {name: state[name] for name in ("torch_settings", "torch_random")}
