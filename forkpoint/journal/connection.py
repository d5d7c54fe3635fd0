"""The only place that opens SQLite, and only in processes that are no fork of the program.

A process that has the journal open when it forks, or merely opens and closes it, can lose the commits of others
(SQLite's locks are POSIX locks, dropped by any close of the file). And SQLite before 3.51.3 corrupts a WAL that two
writers fold at once, so a library that old is refused, and every write and every fold happens under writer.lock.
"""

from __future__ import annotations

import contextlib
import os
import stat

from forkpoint import errors, faultpoints, limits
from forkpoint.journal import disk, durable, schema
from forkpoint.journal.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3 as sqlite  # the same interface, with types; never the library that is used
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any
else:
    from pysqlite3 import dbapi2 as sqlite

SQLITE_VERSION_MIN = (3, 51, 3)
_BUSY_SECONDS = 10.0
_WAL_HEAD_BYTES = 32
_FRAME_HEAD_BYTES = 24
_SHARED_PAGE_BYTES = 4096
_SHARED_BYTES = 64 << 10
"""Of the WAL's index SQLite maps 32 KiB at a time; one such is enough for 4062 pages, more than we let a WAL have."""
_FILES = ("journal.db", "journal.db-wal", "journal.db-shm")

Connection = sqlite.Connection
DatabaseError = sqlite.DatabaseError
Row = sqlite.Row

if tuple(map(int, sqlite.sqlite_version.split("."))) < SQLITE_VERSION_MIN:
    raise errors.StartFailed(
        f"pysqlite3 brings SQLite {sqlite.sqlite_version}, which can corrupt the journal; 3.51.3 or later is needed",
        hint="pip uninstall pysqlite3-binary (it lies over pysqlite3), then pip install --force-reinstall pysqlite3",
    )


def _refuse_strange_files(home: Home, root: int) -> bool:
    """Whether there is a journal. SQLite follows links; a link in the store is none of ours."""
    present = False
    for name in _FILES:
        try:
            facts = disk.stat(name, dir_fd=root, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(facts.st_mode):
            raise errors.IntegrityError(f"{home.path}/{name} is not a regular file")
        present = present or name == "journal.db"
    return present


class _Connection(sqlite.Connection):
    """SQLite quotes a damaged schema in its message, whose bytes need not be text: that is an error of SQLite's too."""

    def execute(self, *arguments: Any) -> sqlite.Cursor:
        try:
            return super().execute(*arguments)
        except UnicodeDecodeError as error:
            raise sqlite.DatabaseError(f"its schema is damaged: {error.object!r}") from None


def _text(raw: bytes) -> str:
    """A text as it stands: of a damaged one the tag does not hold, which is for its row to find, not for SQLite."""
    return raw.decode("utf-8", "surrogateescape")


def _connect(path: str, mode: str) -> Connection:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite.connect(
        f"file:{quoted}?mode={mode}", uri=True, isolation_level=None, timeout=_BUSY_SECONDS, factory=_Connection
    )
    connection.row_factory = sqlite.Row
    connection.text_factory = _text
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA mmap_size=0")
    return connection


def _check_version(home: Home, connection: Connection) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > schema.VERSION:
        raise errors.ForkpointError(
            f"the journal of {home.path} has format {version}; this forkpoint writes {schema.VERSION}",
            hint="use the forkpoint that wrote it, or a newer one",
        )
    made = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name != 'sqlite_sequence'")
    if {row[0] for row in made} != schema.TABLES:  # a trigger or a view is none of ours
        raise sqlite.DatabaseError("its tables are not those that were made")
    return version


def open_writer(home: Home) -> Connection:
    """The journal for writing, made if there is none. The caller holds writer.lock until after it closes or dies."""
    with home.held() as root:
        if not _refuse_strange_files(home, root):
            _make(home, root)
    if not _shared_memory_is_safe(home):
        raise errors.ForkpointError(f"the disk of {home.path} is full: the journal cannot be opened for writing")
    connection = _connect(os.path.join(home.path, "journal.db"), "rw")
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        _check_version(home, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _shared_memory_is_safe(home: Home) -> bool:
    """Whether SQLite may map the WAL's shared memory here without being killed for it.

    It makes room by one byte in each 4096 (unixShmMap in os_unix.c). Where blocks are smaller the rest is a hole, and
    a full disk answers the first write to the mapping with SIGBUS.
    """
    facts = disk.statvfs(home.path)
    return facts.f_frsize >= _SHARED_PAGE_BYTES or facts.f_bavail * facts.f_frsize >= _SHARED_BYTES


def _make(home: Home, root: int) -> None:
    """A new, empty journal, put in place whole, so that nobody ever sees one without its tables."""
    _unlink(root, _FILES[1:])
    _build(home, root, lambda _: None)
    disk.rename("journal.new", "journal.db", src_dir_fd=root, dst_dir_fd=root)
    disk.fsync(root)


def replace(home: Home, fill: Callable[[Connection], None], aside: int) -> None:
    """Put a journal with the rows that `fill` inserts in the place of this one, whose files go to `aside`, a directory.

    Under writer.lock, while nobody has the journal open. Dying inside leaves the old one, perhaps without its WAL.
    """
    with home.held() as root:
        _build(home, root, fill)
        for name in _FILES[1:]:  # before the rename: a WAL would be taken for the new journal's
            with contextlib.suppress(FileNotFoundError):
                disk.rename(name, name, src_dir_fd=root, dst_dir_fd=aside)
        with contextlib.suppress(FileNotFoundError):
            disk.link("journal.db", "journal.db", src_dir_fd=root, dst_dir_fd=aside, follow_symlinks=False)
        disk.fsync(aside)
        disk.fsync(root)
        faultpoints.reach("repair.journal-aside")
        disk.rename("journal.new", "journal.db", src_dir_fd=root, dst_dir_fd=root)
        disk.fsync(root)


def _unlink(root: int, names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            disk.unlink(name, dir_fd=root)


def _build(home: Home, root: int, fill: Callable[[Connection], None]) -> None:
    """A whole journal under the name journal.new."""
    _unlink(root, [f"journal.new{end}" for end in ("", "-wal", "-shm", "-journal")])
    disk.close(durable.create_file(root, "journal.new"))
    connection = _connect(os.path.join(home.path, "journal.new"), "rw")
    try:
        connection.execute("PRAGMA synchronous=FULL")
        if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
            raise errors.StartFailed(
                f"the filesystem of {home.path} cannot hold the journal (no shared memory for a WAL)",
                hint="keep the store on a local disk: --store DIR or FORKPOINT_STORE",
            )
        connection.executescript(f"BEGIN IMMEDIATE;{schema.DDL}COMMIT;")
        with transaction(connection):
            fill(connection)
        # Closing folds the WAL too, but is silent when it cannot: then a journal without tables would be put in place.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()  # removes its WAL


@contextlib.contextmanager
def errors_in_words(home: Home) -> Iterator[None]:
    """SQLite's errors as ours: damage is `IntegrityError`, the rest (a full disk, a failing one) `ForkpointError`."""
    try:
        yield
    except sqlite.OperationalError as error:
        raise errors.ForkpointError(f"the journal of {home.path} cannot be written: {error}") from error
    except sqlite.DatabaseError as error:
        raise errors.IntegrityError(f"the journal of {home.path} is damaged: {error}") from error


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK on any exception. Durable when it returns."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(DatabaseError):
            connection.execute("ROLLBACK")
        raise
    commit(connection)


def commit(connection: Connection) -> None:
    """COMMIT. Durable when it returns; when it raises, nobody will read what it wrote before a crash."""
    try:
        connection.execute("COMMIT")
    except DatabaseError:
        with contextlib.suppress(DatabaseError, OSError):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            _take_back(connection)
        raise


def _take_back(connection: Connection) -> None:
    """Put the WAL back to the last transaction that stood, after the disk refused to have some of it.

    Memory has what the disk has not, and passes it for clean: the next process to open the journal would find the
    transaction that failed, whole, and commit on top of it, and at a power cut all that came after would be lost. So
    what stood is written anew, to be synced by the next COMMIT, and the rest is cut off. Readers only look before it.
    Folding instead would need them to be gone.
    """
    (path,) = (row["file"] for row in connection.execute("PRAGMA database_list") if row["name"] == "main")
    frames = int(connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()["log"])
    if frames < 0:
        return
    page = int(connection.execute("PRAGMA page_size").fetchone()[0])
    end = _WAL_HEAD_BYTES + frames * (_FRAME_HEAD_BYTES + page) if frames > 0 else 0
    fd = disk.open(f"{path}-wal", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        stood = durable.read_exactly(fd, end, 0)
        disk.ftruncate(fd, end)
        durable.write_all(fd, stood)
    finally:
        disk.close(fd)


def fold(home: Home, connection: Connection, above_bytes: int = limits.WAL_FOLD_BYTES) -> bool:
    """Fold the WAL into the journal if it has grown; readers in the way only postpone it. Under writer.lock."""
    try:
        if disk.stat(os.path.join(home.path, "journal.db-wal")).st_size <= above_bytes:
            return False
        connection.execute("PRAGMA busy_timeout=100")
        return int(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]) == 0
    except (OSError, DatabaseError):
        return False


@contextlib.contextmanager
def reading(home: Home, *, locked: bool = False) -> Iterator[Connection | None]:
    """The journal for reading, one consistent picture, or None when there is none yet.

    `locked`: the caller holds writer.lock; a private copy is read, and the journal's files stay as they are.

    The last close of a journal folds its WAL, so a writable store is closed under writer.lock. Reading needs the WAL's
    shared memory; where that cannot be made (a read-only store, a full disk), a private copy is read.
    """
    with home.held() as root:
        if not _refuse_strange_files(home, root):
            yield None
            return
    connection = _open_in_place(home) if home.writable() and not locked and _shared_memory_is_safe(home) else None
    if connection is None:
        with _copy(home, locked) as connection:
            _begin_reading(home, connection)
            yield connection
        return
    try:
        yield connection
    finally:
        _close_reading(home, connection)


def _close_reading(home: Home, connection: Connection) -> None:
    """End the read first: the holder of writer.lock may be waiting for readers to be gone."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    with home.writer_lock():
        connection.close()


def _begin_reading(home: Home, connection: Connection) -> None:
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA query_only=ON")
    _check_version(home, connection)
    connection.execute("BEGIN")
    connection.execute("SELECT 1 FROM sqlite_schema").fetchone()


def _open_in_place(home: Home) -> Connection | None:
    """The journal with a read transaction begun, or None when this filesystem lets us make no shared memory for it."""
    connection = None
    try:
        connection = _connect(os.path.join(home.path, "journal.db"), "rw")
        _begin_reading(home, connection)
        return connection
    except BaseException as error:
        if connection is not None:
            _close_reading(home, connection)
        if isinstance(error, sqlite.OperationalError):
            return None
        raise


@contextlib.contextmanager
def _copy(home: Home, locked: bool) -> Iterator[Connection]:
    """A private copy of journal and WAL, taken while nobody writes if that can be had."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="forkpoint-journal-") as folder:
        with contextlib.ExitStack() as lock:
            with contextlib.suppress(OSError, errors.Locked):
                if not locked:
                    lock.enter_context(home.writer_lock())
            _copy_files(home, folder)
        connection = _connect(os.path.join(folder, "journal.db"), "rw")
        try:
            yield connection
        finally:
            connection.close()


def _copy_files(home: Home, folder: str) -> None:
    with home.held() as root:
        for name in _FILES[:2]:
            with contextlib.suppress(FileNotFoundError):
                source = durable.open_beneath(root, (name,), os.O_RDONLY)
                try:
                    with open(os.path.join(folder, name), "wb") as target:
                        while disk.sendfile(target.fileno(), source, None, 1 << 24):
                            pass
                finally:
                    disk.close(source)
