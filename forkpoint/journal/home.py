"""A store's directory: what lies where in it, its FORMAT, and its key.

    .forkpoint/  0700
      FORMAT         this text: version, store id, key id, feature flags, and a tag over them
      journal.db     see schema.py; opened by connection.py alone, never in the program's process
      packs/xx/<id>  see pack.py; immutable
      tmp/           packs being written: `<run>.<pack id>`
      leases/        `<run>.lock`, `.end`, `.known` (see lease.py, known.py), `reader-*.lock`
      quarantine/    what repairs put aside (see quarantine.py)
      writer.lock    flock held around every write of the journal
      reserve.0-2    given back on a full disk: blocks, and as many inodes as SQLite needs
      .gitignore  CACHEDIR.TAG

`features` of FORMAT is empty, or `encrypted`: then what lies here tells little without the key (see cipher.py).

FORMAT is written last when a store is made, under writer.lock: a directory without it is a store whose making was
interrupted, and making it again completes it. A `Home` holds no descriptor: the program it lives in may close them
all. Instead it remembers which directory it opened (device, inode) and refuses another one put in its place.
"""

from __future__ import annotations

import contextlib
import os

from forkpoint import errors, limits
from forkpoint.journal import cipher, disk, durable, filesystem, keys, seal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 2
ENCRYPTED = "encrypted"
"""The one feature that a store may have, from its making on: what it holds is hidden (cipher.py)."""

DIRECTORY_NAME = ".forkpoint"
_FORMAT_BYTES_MAX = 4096
_RESERVES = ("reserve.0", "reserve.1", "reserve.2")
_REPLACED = ("FORMAT", ".gitignore", "CACHEDIR.TAG")
_OURS = frozenset({"journal.db", "journal.new", "packs", "tmp", "leases", "quarantine", "writer.lock"})
_CACHEDIR_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# forkpoint store: backup programs may skip it\n"


def new_id() -> str:
    """A new name for a run, a restore point or a pack: 32 hex digits, all random, so that short prefixes differ."""
    return disk.urandom(16).hex()


def is_id(text: str) -> bool:
    """Whether `text` has the shape of an id; anything else is never used in a path."""
    return len(text) == 32 and not text.strip("0123456789abcdef")


class Home:
    """A store that exists and whose key is here. Holds the key: never printed, never pickled."""

    __slots__ = ("anchor_path", "encrypted", "identity", "key", "key_id", "path", "seal", "store")

    def __init__(
        self,
        path: str,
        store: str,
        key: bytes,
        anchor_path: str,
        identity: tuple[int, int],
        encrypted: bool = False,
    ) -> None:
        self.path = path
        self.store = store
        self.key = key
        self.key_id = seal.key_id(key)
        self.anchor_path = anchor_path
        self.identity = identity
        self.encrypted = encrypted
        self.seal = seal.Seal(key, store, encrypted=encrypted)

    def __repr__(self) -> str:
        return f"Home({self.path!r}, store={self.store})"

    def __reduce__(self) -> str:
        raise TypeError("a store's key is never serialized")

    @property
    def aside(self) -> str:
        """Where a restore puts files of the user's that are in its way: in the store, or beside it where all that is in
        the store is hidden.
        """
        return f"{self.path}.aside" if self.encrypted else os.path.join(self.path, "aside")

    @contextlib.contextmanager
    def held(self, *parts: str) -> Iterator[int]:
        """A descriptor of the store's directory, or of one beneath it, for the length of a `with`."""
        root = disk.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            facts = disk.fstat(root)
            if (facts.st_dev, facts.st_ino) != self.identity:
                raise errors.NoStore(f"another directory was put in the place of the store {self.path}")
            if not parts:
                yield root
                return
            fd = self._open_directory(root, parts)
            try:
                yield fd
            finally:
                disk.close(fd)
        finally:
            disk.close(root)

    def _open_directory(self, root: int, parts: tuple[str, ...]) -> int:
        try:
            return durable.open_directory(root, *parts)
        except OSError as error:
            if len(parts) == 1:  # those are made with the store, and never removed
                raise errors.IntegrityError(f"{self.path}/{parts[0]}: {error.strerror}") from None
            raise

    @contextlib.contextmanager
    def writer_lock(self, wait_seconds: float = limits.WRITER_LOCK_SECONDS) -> Iterator[None]:
        """Hold writer.lock. Raises `Locked` after waiting; it is gone with the process that held it."""
        import time

        with self.held() as root:
            fd = durable.open_beneath(root, ("writer.lock",), os.O_RDONLY | os.O_CREAT)
        try:
            deadline = time.monotonic() + wait_seconds
            while True:
                try:
                    disk.flock(fd, disk.LOCK_EX | disk.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise errors.Locked(f"another process is writing to {self.path}") from None
                    time.sleep(0.002)
            yield
        finally:
            disk.close(fd)

    def writable(self) -> bool:
        """Whether this process may write to the store."""
        return disk.access(self.path, os.W_OK | os.X_OK)


def _format_text(store: str, key: bytes, *, encrypted: bool) -> bytes:
    name = seal.key_id(key)
    features = ENCRYPTED if encrypted else ""
    tag = seal.Seal(key, store).tag("format", VERSION, store, name, features)
    return (
        f"forkpoint store\nversion: {VERSION}\nstore: {store}\nkey: {name}\nfeatures: {features}\nseal: {tag.hex()}\n"
    ).encode()


def _parse_format(data: bytes, path: str) -> tuple[str, str, bool]:
    """(store id, key id, encrypted) of a FORMAT file's bytes; its tag cannot be checked before the key is known."""
    lines = data.decode("ascii", "replace").split("\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    if lines[0] != "forkpoint store" or not is_id(fields.get("store", "")) or not is_id(fields.get("key", "")):
        raise errors.IntegrityError(f"{path}/FORMAT is damaged")
    if fields.get("version") != str(VERSION) or fields.get("features", "") not in ("", ENCRYPTED):
        raise errors.ForkpointError(
            f"{path} has format {fields.get('version')} {fields.get('features', '')}; this forkpoint reads {VERSION}",
            hint="use the forkpoint that wrote it, or a newer one",
        )
    return fields["store"], fields["key"], fields.get("features") == ENCRYPTED


def _read_format(path: str) -> tuple[str, bytes, os.stat_result]:
    """(path without links, FORMAT's bytes, the directory's facts). Raises `NoStore` or `IntegrityError`."""
    path = os.path.realpath(path)
    try:
        root = disk.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise errors.NoStore(f"there is no store at {path}: {error.strerror}") from None
    try:
        return path, durable.read_file(root, "FORMAT", _FORMAT_BYTES_MAX), disk.fstat(root)
    except FileNotFoundError:
        raise errors.NoStore(f"{path} is not a store: it has no FORMAT") from None
    except (OSError, ValueError) as error:
        raise errors.IntegrityError(f"{path}/FORMAT cannot be read: {error}") from None
    finally:
        disk.close(root)


def open_home(path: str) -> Home:
    """An existing store. Raises `NoStore`, `KeyMissing` (nothing but FORMAT was read) or `IntegrityError`."""
    path, data, facts = _read_format(path)
    store, key_id, encrypted = _parse_format(data, path)
    key = keys.load(key_id)
    if not seal.same(data, _format_text(store, key, encrypted=encrypted)):
        raise errors.IntegrityError(f"{path}/FORMAT is damaged or was not written with this key")
    return _home(path, store, key, facts, encrypted=encrypted)


def _home(path: str, store: str, key: bytes, facts: os.stat_result, *, encrypted: bool) -> Home:
    return Home(path, store, key, anchor_path(store, facts.st_ino), (facts.st_dev, facts.st_ino), encrypted)


def is_encrypted(path: str) -> bool:
    """Whether there is a store at `path` whose FORMAT says so, which nobody vouches for here."""
    try:
        path, data, _ = _read_format(path)
    except errors.NoStore:
        return False
    return _parse_format(data, path)[2]


def successor(path: str, *, encrypted: bool) -> Home:
    """What the store at `path` will be under a new key and a new id, once `install` has made it so (rekey.py).

    Raises `UsageError` where FORKPOINT_KEY_FILE names the very key it has.
    """
    path, data, facts = _read_format(path)
    key_id = _parse_format(data, path)[1]
    key = keys.create()
    if seal.key_id(key) == key_id:
        raise errors.UsageError(
            f"{keys.location(key_id)} holds the key that this store has", hint="let FORKPOINT_KEY_FILE name a new file"
        )
    return _home(path, new_id(), key, facts, encrypted=encrypted)


def install(home: Home) -> None:
    """The store is this one from now on: FORMAT is replaced, durably."""
    with home.held() as root:
        durable.replace_file(root, "FORMAT", _format_text(home.store, home.key, encrypted=home.encrypted))


def anchor_path(store: str, inode: int) -> str:
    """Where the head anchor of a store's directory lies: outside it, per directory, so that a copy has its own."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "forkpoint", store, str(inode))


def create(path: str, *, encrypt: bool = False) -> Home:
    """The store at `path`, made if there is none. Dying inside leaves what the next call completes.

    Raises `StartFailed` where none can be made: read-only, on a network filesystem, or no place for the key; and where
    one that is not encrypted is there and `encrypt` asks for it. `ForkpointError` where nothing can be encrypted here.
    """
    path = os.path.realpath(path)
    if encrypt:
        cipher.load()
    try:
        disk.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            disk.mkdir(path, 0o700)
            disk.chmod(path, 0o700)
        root = disk.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise errors.StartFailed(f"no store can be made at {path}: {error.strerror}", hint=_elsewhere()) from None
    try:
        facts = disk.fstat(root)
        if "FORMAT" not in disk.listdir(root):
            _make(root, path, encrypt)
        home = open_home(path)
        if home.identity != (facts.st_dev, facts.st_ino):
            raise errors.StartFailed(f"{path} was replaced while the store was being made")
        if not home.writable():
            raise errors.StartFailed(f"the store {path} is read-only", hint=_elsewhere())
        _sync_names(root, path)
    except OSError as error:
        raise errors.StartFailed(f"no store can be made at {path}: {error.strerror}", hint=_elsewhere()) from None
    finally:
        disk.close(root)
    filesystem.check_local(path)
    if home.encrypted:
        cipher.load()
    elif encrypt:
        raise errors.StartFailed(
            f"the store {path} is not encrypted, and was made so",
            hint="--encrypt with another --store makes one that is; `forkpoint key rotate --encrypt` encrypts this one",
        )
    return home


def _elsewhere() -> str:
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return (
        f"use --store (or FORKPOINT_STORE) with a local directory, such as {state}/forkpoint/stores/NAME or /tmp/NAME"
    )


def _make(root: int, path: str, encrypt: bool) -> None:
    """Lay out an empty store, unless it was done. FORMAT last: from then on a store without an anchor is a copy."""
    from forkpoint.journal import anchor

    filesystem.check_local(path)
    strange = [name for name in disk.listdir(root) if name not in {*_OURS, *_REPLACED, *_RESERVES} and not _begun(name)]
    if strange:
        raise errors.StartFailed(f"{path} is not a store, and not empty: {strange[0]}", hint="name a new directory")
    lock = durable.open_beneath(root, ("writer.lock",), os.O_RDWR | os.O_CREAT)
    try:
        disk.flock(lock, disk.LOCK_EX)
        if "FORMAT" in disk.listdir(root):
            return
        for name in filter(_begun, disk.listdir(root)):
            disk.unlink(name, dir_fd=root)
        for name in ("packs", "tmp", "leases"):
            durable.make_directory(root, name)
        durable.replace_file(root, ".gitignore", b"*\n")
        durable.replace_file(root, "CACHEDIR.TAG", _CACHEDIR_TAG)
        with contextlib.suppress(OSError):
            fill_reserve(root)
        made = _home(path, new_id(), keys.create(), disk.fstat(root), encrypted=encrypt)
        anchor.begin(made)
        durable.replace_file(root, "FORMAT", _format_text(made.store, made.key, encrypted=encrypt))
    finally:
        disk.close(lock)


def _sync_names(root: int, path: str) -> None:
    """Make durable that the store is there. Whoever made it may have died before, and what is committed needs it."""
    disk.fsync(root)
    try:
        parent = disk.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # then somebody else made this directory in it, for us
    try:
        disk.fsync(parent)
    finally:
        disk.close(parent)


def _begun(name: str) -> bool:
    """Whether this is what an interrupted `durable.replace_file` left here."""
    return name.startswith(tuple(f".{whole}." for whole in _REPLACED))


def fill_reserve(root: int) -> None:
    """Set the reserve aside, as far as it is not there. Raises OSError on a full disk."""
    for name in _RESERVES:
        try:
            fd = durable.create_file(root, name)
        except FileExistsError:
            continue
        try:
            disk.posix_fallocate(fd, 0, limits.RESERVE_BYTES // len(_RESERVES))
        except OSError:
            disk.unlink(name, dir_fd=root)
            raise
        finally:
            disk.close(fd)


def free_reserve(root: int) -> None:
    """Give the reserve back, so that something can be written on a full disk."""
    for name in _RESERVES:
        with contextlib.suppress(FileNotFoundError):
            disk.unlink(name, dir_fd=root)
