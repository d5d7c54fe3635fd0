"""Frozen values that travel between the stages; a stage knows these and nothing of its siblings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol

Trigger = Literal["explicit", "timer", "signal", "exit"]
FrameKind = Literal["function", "code", "generator"]


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the user's program."""

    filename: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.filename}:{self.line} in {self.function}"


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame of the call stack as values; see `capture.stack` for what each number means.

    `slots` holds locals, cells and the value stack (`_native.NULL` for an empty slot); `position` is the code unit
    the instruction pointer is set to; `plan` says what the callee's outcome means for this frame.
    """

    kind: FrameKind
    code: Any
    function: Any
    namespace: Any
    local_namespace: Any
    slots: list[Any]
    position: int
    plan: Mapping[str, Any]
    generator: Any
    exception: Any
    location: Location


@dataclass(frozen=True, slots=True)
class CapturedStack:
    """The resumable call stack of the main thread, outermost frame first."""

    frames: tuple[FrameRecord, ...]
    exception: Any
    recursion_limit: int

    @property
    def location(self) -> Location:
        """Where the program stands: the innermost frame."""
        return self.frames[-1].location


class Tombstone(NamedTuple):
    """Stands for an object that could not be saved. `path` is in the user's words: `trainer.loader._socket`."""

    path: str
    type: str
    reason: str


EXCLUDED: Final = "excluded by forkpoint.exclude()"
"""The reason of tombstones the program asked for: they do not make a restore point incomplete."""

UNNAMED: Final = "an object the program holds"
"""The path of a tombstone that no variable leads to: something on the way of an expression, or in C code."""

IMPORTING: Final = "a library is being imported"
"""A reason to refuse that is given many times within a second, and over then: any other one matters more."""


class Refusal(NamedTuple):
    """A commit that could not be taken somewhere, how often, and why."""

    reason: str
    location: str
    count: int = 1  # type: ignore[assignment] # tuple.count is not missed


class Variable(NamedTuple):
    """A summary of one variable of the program, for `show` and `log`; never needs unpickling to be read."""

    name: str
    type: str
    summary: str
    bytes: int


class Pod(NamedTuple):
    """The unit of serialization: one stream or one buffer, as an ordered list of chunks.

    `kind` is `objects` (a pickle stream) or `buffer` (raw bytes of one owner). `length` is in bytes, unencoded.
    """

    name: str
    kind: Literal["objects", "buffer"]
    length: int
    chunks: tuple[bytes, ...]


class FileState(NamedTuple):
    """What is at a path; sizes in bytes, times in nanoseconds, `mode` the permission bits, all as stat(2) says; where a
    symbolic link leads.
    """

    kind: Literal["absent", "file", "directory", "link", "other"]
    size: int = 0
    mode: int = 0
    mtime_ns: int = 0
    inode: int = 0
    target: str = ""


Change = Literal["append", "change", "replace", "database"]
"""What a program is about to do to a path: add at its file's end, change the file, put something or nothing there, make
a database of SQLite's there."""


class Touch(NamedTuple):
    """The first change of a path since a commit point, noted before it happened.

    `kept` names a copy of what was there, whose BLAKE3 digest is `digest` (hex); None when none was needed or
    possible.
    """

    path: str
    change: Change
    was: FileState
    kept: str | None = None
    digest: str = ""


class WrittenFile(NamedTuple):
    """A path the program has changed, or was reading (`input`), as it was at the commit point. A `database` (or its
    WAL) without content is left as it is, and put back where it is gone.

    `pod` holds the content; None for what is no file, and for files whose content is not kept, which `reason`
    explains. Those are known by `digest`: BLAKE3 (hex) over their last `limits.TAIL_BYTES` bytes; of a database, its
    mark (`databases.mark`). `target`: where a symbolic link leads. `mtime_ns`: when it was changed last, as stat(2)
    says; 0 where nobody knows.
    """

    path: str
    kind: Literal["absent", "file", "directory", "link", "input", "database"]
    size: int
    mode: int
    pod: str | None
    digest: str
    reason: str
    target: str = ""
    mtime_ns: int = 0


class Saved(NamedTuple):
    """Whose bytes a pod holds from `start` on, up to the next one's: so that damage can be told without unpickling.

    `name` is the variable through which they were found first, in the user's words: `trainer`, `model (in main)`.
    """

    name: str
    pod: str
    start: int


class Encoded(NamedTuple):
    """What the encode stage made of a program: the pods, and what it could not say.

    `buffers` are the pods of large buffers with the addresses they were read from.
    """

    pods: tuple[Pod, ...]
    buffers: tuple[tuple[int, Pod], ...]
    tombstones: tuple[Tombstone, ...]
    variables: tuple[Variable, ...]
    saved: tuple[Saved, ...]


class Manifest(NamedTuple):
    """Everything about one restore point but its sequence number: what the commit row makes true."""

    point: str
    run: str
    parent: str | None
    label: str | None
    trigger: Trigger
    created_at: str
    location: str
    complete: bool
    stdout_bytes: int
    split_ms: Mapping[str, float]
    stop_ms: float
    bytes_total: int
    pods: tuple[Pod, ...]
    variables: tuple[Variable, ...]
    tombstones: tuple[Tombstone, ...]
    refusals: tuple[Refusal, ...]
    files: tuple[WrittenFile, ...]
    provenance: Mapping[str, Any]
    saved: tuple[Saved, ...] = ()


class ChunkSink(Protocol):
    """Where the encode stage puts bytes. Implemented by `journal.pack`, handed over by the engine."""

    def put(self, data: bytes | bytearray | memoryview, kind: Literal["objects", "buffer"], itemsize: int = 1) -> bytes:
        """Store one chunk (or find it stored already) and return its keyed id, 32 bytes."""
        ...

    def holds(self, chunks: Sequence[bytes]) -> bool:
        """Whether all these chunks are stored already; if so the restore point may name them."""
        ...


class ChunkSource(Protocol):
    """Where restore gets verified bytes. Implemented by `journal.pack`."""

    def get(self, chunk: bytes) -> bytes:
        """The chunk's decoded bytes. Raises `IntegrityError` when they are not what was written."""
        ...


class BufferSource(Protocol):
    """One stored buffer at restore time; `readinto` fills memory the caller has allocated where it wants it."""

    nbytes: int

    def readinto(self, target: memoryview) -> None:
        """Copy all `nbytes` bytes into `target` (writable, contiguous, format B)."""
        ...


class ReduceContext(Protocol):
    """What a reducer may ask of the pickler while an object is being saved (in the child)."""

    def buffer(self, view: memoryview, itemsize: int = 1) -> Any:
        """Store the bytes as a buffer pod. Put the result among the reduce arguments: at restore the rebuilding
        function receives a `BufferSource` in its place. Call once per owner of memory, never per view."""
        ...

    def tombstone(self, obj: Any, reason: str) -> tuple[Any, ...]:
        """A reduce value that restores to a tombstone, and lists `obj` as not captured."""
        ...

    @property
    def unread(self) -> bool:
        """Is it only held by local variables that no running function reads again before it assigns them?"""
        ...


class LibraryObjects(Mapping[int, tuple[str, str]]):
    """id -> (module, dotted path) of the objects that libraries own: they are named, not copied."""

    assigned: AbstractSet[str]
    """Names of the attributes that the program's code sets, of whatever object, but for `self` in its methods."""

    @abstractmethod
    def tell(self, graph_filter: Any) -> None:
        """Have a `_native.GraphFilter` know them all: a hundred thousand, of which hardly any is asked for its name."""


Reducer = Callable[[Any, ReduceContext], Any]
"""obj, context -> what `__reduce_ex__` would return (2 to 6 items), or NotImplemented to decline."""


class Adapter(Protocol):
    """Ambient state of one library: captured in the child, put back last. One file each in `capture/adapters/`."""

    name: str
    module: str

    def reducers(self) -> Mapping[type, Reducer]:
        """How this library's types are saved, by exact type and, failing that, along the MRO. May be empty."""
        ...

    def before_fork(self) -> Any:
        """What does not survive a fork unchanged, read in the program; must be cheap. None if nothing."""
        ...

    def capture(self, before: Any) -> Any:
        """The state, as something picklable. Called in the child."""
        ...

    def restore(self, state: Any) -> None:
        """Put the state back. Called once all objects are."""
        ...


@dataclass(frozen=True, slots=True)
class ProgramImage:
    """All that is serialized: the root of the object graph.

    `facts` are plain values that must be made true of libraries before the first object is rebuilt.
    """

    modules: Sequence[Any]
    imports: Sequence[str]
    stack: CapturedStack | None
    ambient: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
