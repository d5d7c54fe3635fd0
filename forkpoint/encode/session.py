"""One act of encoding: what the reducers ask, and what they leave behind for the end of the stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from forkpoint import _native
from forkpoint.encode import (
    containers,
    identities,
    instances,
    late,
    left_out,
    library,
    locks,
    modules,
    not_finite,
    texts,
)
from forkpoint.encode.names import Names
from forkpoint.encode.pods import InlineBuffer, write_buffer
from forkpoint.encode.reducers import REGISTERED, OwnReducer, along_mro
from forkpoint.encode.tombstones import make
from forkpoint.errors import Refused
from forkpoint.kinds import module_of
from forkpoint.limits import BUFFER_BYTES_MIN
from forkpoint.model import EXCLUDED, ChunkSink, FrameRecord, LibraryObjects, Pod, ProgramImage, Reducer, Saved


class Diverted:
    """Stands for a builtin container that the C pickler must not save by itself; memoized in its place."""

    __slots__ = ("reduction",)

    def __init__(self, reduction: Any) -> None:
        self.reduction = reduction


class BufferPod:
    """Stands for a buffer in the stream; at restore a `BufferSource` takes its place."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Session:
    """Implements `reducers.Context` for one image."""

    def __init__(
        self,
        image: ProgramImage,
        named: LibraryObjects,
        reducers: Mapping[type, Reducer],
        sink: ChunkSink,
        opened: Mapping[int, tuple[str, int]],
        excluded: Mapping[int, Any],
    ) -> None:
        REGISTERED.load()
        self._names = Names(image.modules, named)
        self._foreign = reducers
        self._sink = sink
        self._opened = opened
        self._excluded = excluded
        frames = image.stack.frames if image.stack is not None else ()
        self._running = {id(frame.generator): frame for frame in frames if frame.generator is not None}
        self._plans: dict[type, OwnReducer] = {Diverted: _reduce_diverted, BufferPod: _reduce_buffer_pod}
        self._program_classes: dict[type, bool] = {}
        self._diverted: dict[int, Diverted] = {}
        self._identities: dict[int, Diverted] = {}
        self._named_floats: dict[int, tuple[str, str]] | None = None
        self.pickler: Any = None
        self.unread = False
        self.kept: list[Any] = []
        self.buffers: list[tuple[int, Pod]] = []
        self.saved: list[Saved] = []
        self.postponed: list[tuple[Any, ...]] = []
        self.absent: list[tuple[Any, Any, str]] = []
        self.filter = _native.GraphFilter(self._divert)
        named.tell(self.filter)
        self.filter.register(self._names.namespaces)
        self.filter.register(excluded)

    def look_for_identities(self, roots: Sequence[Any]) -> None:
        """Numbers below `roots` that are ids of objects are saved as such (`identities`). Before anything is saved."""
        held = self.filter.held_identities(roots, self._names.by_value)
        self._identities = {number: Diverted(reduction) for number, reduction in identities.reductions(held).items()}
        self.filter.divert_numbers(self._identities)

    # ---- what the pickler calls

    def reduce(self, obj: Any) -> Any:
        """`reducer_override`: how this object is saved."""
        cls = type(obj)
        plan = self._plans.get(cls)
        if plan is None:
            plan = self._plans[cls] = self._plan(cls)
        return plan(obj, self)

    def _plan(self, cls: type) -> OwnReducer:
        """Decided once per class: adapters first, then our families, the program's own classes, the library's way."""
        if cls in _LEFT_TO_PICKLE:
            return _leave
        foreign = self._foreign.get(cls)
        if foreign is not None:
            return self._named_first(self._or_else(foreign, cls))
        exact = REGISTERED.of(cls)
        if exact is not None:
            return self._named_first(exact)
        return self._named_first(self._or_else(along_mro(cls, self._foreign), cls))

    def _or_else(self, reducer: OwnReducer | None, cls: type) -> OwnReducer:
        """A reducer that may decline, then what we would do ourselves."""
        own = REGISTERED.of(cls) or along_mro(cls, REGISTERED.inherited)
        if own is None:
            own = instances.plan(cls, self) if self.is_taken_apart(cls) else library.reduce_by_protocol
        if reducer is None:
            return own
        first, second = reducer, own

        def reduce(obj: Any, context: Any) -> Any:
            value = first(obj, context)
            if value is NotImplemented:
                return second(obj, context)
            left_out.save(obj, value, context)
            return value

        return reduce

    def _named_first(self, reducer: OwnReducer) -> OwnReducer:
        named = self._names.named

        def reduce(obj: Any, context: Any) -> Any:
            path = named.get(id(obj))
            if path is not None:
                if type(obj) in locks.LOCKS:
                    locks.require_free(obj, path)
                elif late.is_made_late(*path):
                    return late.reduce(path, reducer(obj, context))
                return modules.library_object, path
            if id(obj) in self._excluded:
                return self.tombstone(obj, EXCLUDED)
            try:
                return reducer(obj, context)
            except Refused:
                raise
            except Exception as error:
                return self.tombstone(obj, f"{type(error).__name__}: {error}")

        return reduce

    def _divert(self, obj: Any) -> Any:
        """The filter's callback: what stands for this container, interned string, NaN or infinity, or None to let the C
        pickler save it.
        """
        if type(obj) is str:
            return Diverted(texts.reduce_interned(obj))
        if type(obj) is float:
            return Diverted(self._reduce_not_finite(obj))
        address = id(obj)
        found = self._diverted.get(address)
        if found is None:
            self.kept.append(obj)
            found = self._diverted[address] = Diverted(None)
            owner = self._names.owner_of(address)
            if owner is not None:
                found.reduction = modules.namespace, (owner,)
            elif address in self._excluded:
                found.reduction = self.tombstone(obj, EXCLUDED)
            elif address in self._names.named:
                found.reduction = modules.library_object, self._names.named[address]
            elif isinstance(obj, dict):
                found.reduction = containers.reduce_dict(obj, self)
            elif isinstance(obj, set | frozenset):
                found.reduction = containers.reduce_set(obj, self)
        return found if found.reduction is not None else None

    def _reduce_not_finite(self, value: float) -> Any:
        self.kept.append(value)
        if self._named_floats is None:
            self._named_floats = not_finite.named(self._names.by_value)
        path = self._named_floats.get(id(value))
        return not_finite.reduce(value) if path is None else (modules.library_object, path)

    # ---- what the reducers ask

    def is_by_value(self, module: object) -> bool:
        """See `reducers.Context`."""
        return module in self._names.by_value

    def is_program_class(self, cls: type) -> bool:
        """See `reducers.Context`."""
        known = self._program_classes.get(cls)
        if known is None:
            if not _native.is_python_class(cls):
                known = False
            else:
                known = module_of(cls) in self._names.by_value or self._names.path_of(cls) is None
            self._program_classes[cls] = known
        return known

    def is_taken_apart(self, cls: type) -> bool:
        """See `reducers.Context`."""
        return self.is_program_class(cls) or library.is_taken_apart(cls)

    def path_of(self, obj: Any) -> tuple[str, str] | None:
        """See `reducers.Context`."""
        return self._names.path_of(obj)

    def variable(self, obj: Any) -> tuple[str, str] | None:
        """See `reducers.Context`."""
        return self._names.variable(obj)

    def is_named(self, obj: Any) -> bool:
        """See `reducers.Context`."""
        return id(obj) in self._names.named

    def is_assigned(self, name: str) -> bool:
        """See `reducers.Context`."""
        return name in self._names.named.assigned

    def is_identity(self, number: Any) -> bool:
        """See `reducers.Context`."""
        return number in self._identities

    def namespace_owner(self, namespace: Mapping[str, Any]) -> str | None:
        """See `reducers.Context`."""
        return self._names.owner_of(id(namespace))

    def running(self, generator: Any) -> FrameRecord | None:
        """See `reducers.Context`."""
        return self._running.get(id(generator))

    def opened_as(self, descriptor: int) -> tuple[str, int] | None:
        """See `reducers.Context`."""
        return self._opened.get(descriptor)

    def later(self, phase: int, function: Callable[..., Any], *args: Any) -> None:
        """See `reducers.Context`."""
        self.postponed.append((phase, function, args))

    def buffer(self, view: memoryview, itemsize: int = 1) -> Any:
        """See `model.ReduceContext.buffer`."""
        flat = view.cast("B") if view.format != "B" or view.ndim != 1 else view
        if flat.nbytes < BUFFER_BYTES_MIN:
            return InlineBuffer(flat.tobytes())
        pod = write_buffer(f"buffer/{len(self.buffers)}", flat, itemsize, self._sink)
        self.buffers.append((_native.buffer_address(flat), pod))
        self.saved.append(Saved(self.saved[-1].name, pod.name, 0))
        return BufferPod(pod.name)

    def tombstone(self, obj: Any, reason: str, kind: str = "") -> tuple[Any, ...]:
        """See `reducers.Context`; the path is looked for when everything has been saved."""
        stand_in = Diverted((make, ("?", kind or _type_name(obj), reason)))
        self.absent.append((obj, stand_in, reason))
        return _itself, (stand_in,)


def _type_name(obj: Any) -> str:
    cls = type(obj)
    return cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{module_of(cls)}.{cls.__qualname__}"


def _itself(obj: Any) -> Any:
    return obj


def _leave(obj: Any, context: Any) -> Any:
    return NotImplemented


def _reduce_diverted(obj: Diverted, context: Any) -> Any:
    return obj.reduction


def _reduce_buffer_pod(obj: BufferPod, context: Any) -> Any:
    return buffer_source, (obj.name,)


_LEFT_TO_PICKLE = frozenset({type(None), type(...), type(NotImplemented)})

# One decode at a time: what `buffer_source` reads from (set by the unpickler).
_buffers: Callable[[str], Any] | None = None


def set_buffers(find: Callable[[str], Any] | None) -> None:
    """Tell `buffer_source` where buffers are; None when decoding is over."""
    global _buffers
    _buffers = find


def buffer_source(name: str) -> Any:
    """The stored buffer of that name, while a stream is being decoded."""
    if _buffers is None:
        raise RuntimeError("buffers exist only while a restore point is being decoded")
    return _buffers(name)
