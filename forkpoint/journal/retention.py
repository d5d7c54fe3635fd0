"""What may be forgotten, then forgetting it: two phases, both under writer.lock, each step replayable.

Phase 1, one transaction: the rows of the restore points go (their numbers become a sealed gap in the chain), packs no
restore point needs any more are condemned, and a plan records them. Only then are the readers listed whose leases are
held: one that took its lease earlier than that may have seen the rows.
Phase 2, once none of those readers is left: rows of the condemned packs go, durably; then the files; then the
directories are synced; then the plan goes. Dying anywhere leaves a plan that the next forgetting carries on with.

A commit that relies on a condemned pack brings it back (`writer.check_packs`), and phase 2 takes only packs that still
are condemned and needed by none. A live run's newest restore point, and the one its next commit builds on, are never
forgotten, so that its child always finds what it left out. A pack is kept whole as long as one chunk in it is needed.

Files nobody refers to (of children that died) are swept when their run's lease is gone.
"""

from __future__ import annotations

import contextlib

from forkpoint import errors, faultpoints, limits
from forkpoint.journal import anchor, connection, disk, known, lease, pack_place, room, schema, seal
from forkpoint.journal.home import Home, fill_reserve, free_reserve, is_id, new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any


class Policy:
    """What to keep of each run: the newest `keep_last`, those younger than `keep_within_seconds`, the newest of each of
    the last `keep_hours` hours, and labelled ones.
    """

    __slots__ = ("keep_hours", "keep_labelled", "keep_last", "keep_within_seconds")

    def __init__(
        self, keep_last: int, keep_within_seconds: float = 0.0, keep_hours: int = 0, keep_labelled: bool = False
    ) -> None:
        if keep_last < 1:
            raise errors.UsageError("at least the newest restore point of a run is kept")
        self.keep_last = keep_last
        self.keep_within_seconds = keep_within_seconds
        self.keep_hours = keep_hours
        self.keep_labelled = keep_labelled

    def keeps(self, place: int, row: Any, now: float, hours: set[int]) -> bool:
        """Whether to keep the restore point at this place of its run, newest first; `hours` are those seen so far."""
        age = _age_seconds(row["created_at"], now)
        hour = int((now - age) // 3600)
        first_of_hour = hour not in hours
        hours.add(hour)
        if self.keep_last > place or (self.keep_labelled and row["label"] is not None):
            return True
        within, hours_long = self.keep_within_seconds, 3600 * self.keep_hours
        # No rule at all keeps nothing, also not what a clock that has gone back makes younger than now.
        return (within > 0 and age <= within) or (hours_long > 0 and first_of_hour and age <= hours_long)


class Forgotten:
    """What a forgetting did (or, dry, would do). `waiting` packs are condemned but a reader may still use them."""

    __slots__ = ("bytes_freed", "packs", "points", "swept", "waiting")

    def __init__(self) -> None:
        self.points: list[str] = []
        self.packs: list[str] = []
        self.waiting: list[str] = []
        self.swept: list[str] = []
        self.bytes_freed = 0


def _age_seconds(created_at: str, now: float) -> float:
    import datetime

    try:
        then = datetime.datetime.fromisoformat(created_at)
    except ValueError:
        return 0.0
    return now - (then if then.tzinfo else then.replace(tzinfo=datetime.UTC)).timestamp()


def choose(points: Iterable[Any], policy: Policy, pinned: set[str], now: float) -> list[Any]:
    """Which of these rows may go; pure. `points` are all rows of the store, `pinned` ids stay whatever the policy says.

    Of each run the newest and the newest complete restore point stay. Wall-clock age only ever keeps more.
    """
    by_run: dict[str, list[Any]] = {}
    for row in sorted(points, key=lambda row: row["number"], reverse=True):
        by_run.setdefault(row["run"], []).append(row)
    going: list[Any] = []
    for rows in by_run.values():
        complete = next((row["id"] for row in rows if row["complete"]), None)
        hours: set[int] = set()
        for place, row in enumerate(rows):
            kept = policy.keeps(place, row, now, hours)
            if not kept and row["id"] != complete and row["id"] not in pinned:
                going.append(row)
    return going


def _pinned(home: Home, runs: Iterable[str]) -> set[str]:
    """What the next commit of each live run builds on."""
    return {base for run in runs if lease.is_alive(home, run) and (base := known.base(home, run)) is not None}


def _sound_rows(db: connection.Connection, home: Home) -> list[Any]:
    """All restore points. Forgetting decides nothing on a journal that has lost or damaged rows."""
    rows = db.execute("SELECT * FROM point ORDER BY number").fetchall()
    for row in rows:
        if not seal.same(schema.point_tag(home.seal, row), row["tag"]):
            raise errors.IntegrityError(
                f"the journal's row of restore point {row['id']} is damaged; nothing was forgotten",
                hint="`forkpoint verify` says what is wrong",
            )
    noted = anchor.read(home)
    if noted is not None and (rows[-1]["number"] if rows else 0) < noted.number:
        raise errors.IntegrityError(
            "the journal has lost its newest rows; nothing was forgotten", hint="`forkpoint verify` says which"
        )
    return rows


def _merge_gap(db: connection.Connection, home: Home, rows: list[Any]) -> None:
    """Record that these numbers were forgotten; neighbouring gaps become one, so that they stay few."""
    for row in sorted(rows, key=lambda row: row["number"]):
        first = last = row["number"]
        tag = row["tag"]
        before = db.execute("SELECT * FROM gap WHERE last = ?", (first - 1,)).fetchone()
        if before is not None:
            first = before["first"]
        after = db.execute("SELECT * FROM gap WHERE first = ?", (last + 1,)).fetchone()
        if after is not None:
            last, tag = after["last"], after["tag"]
            db.execute("DELETE FROM gap WHERE first = ?", (after["first"],))
        sealed = schema.gap_seal(home.seal, first, last, tag)
        db.execute(
            "INSERT OR REPLACE INTO gap (first, last, tag, seal) VALUES (?, ?, ?, ?)", (first, last, tag, sealed)
        )


def _dead_packs(db: connection.Connection, remaining: Iterable[Any]) -> list[str]:
    """Packs no remaining restore point needs and no plan has condemned yet. In a damaged journal there are names that
    are none: they lead to no file.
    """
    needed = {pack for row in remaining for pack in row["packs"].split()}
    listed = [row["id"] for row in db.execute("SELECT id FROM pack WHERE plan IS NULL")]
    return [pack for pack in listed if is_id(pack) and pack not in needed]


def _write_plan(
    db: connection.Connection, home: Home, id: str, phase: int, packs: list[str], readers: list[str]
) -> None:
    columns = (id, phase, " ".join(packs), " ".join(readers))
    db.execute(
        "INSERT OR REPLACE INTO plan (id, phase, packs, readers, seal) VALUES (?, ?, ?, ?, ?)",
        (*columns, schema.plan_seal(home.seal, *columns)),
    )


def _condemn(db: connection.Connection, home: Home, rows: list[Any], going: list[Any], result: Forgotten) -> None:
    """Phase 1."""
    gone = {row["id"] for row in going}
    with connection.transaction(db):
        db.executemany("DELETE FROM point WHERE number = ?", [(row["number"],) for row in going])
        _merge_gap(db, home, going)
        dead = _dead_packs(db, [row for row in rows if row["id"] not in gone])
        if dead:
            plan = new_id()
            db.executemany("UPDATE pack SET plan = ? WHERE id = ?", [(plan, pack) for pack in dead])
            _write_plan(db, home, plan, schema.CONDEMNED, dead, [])
    result.points += sorted(gone)
    faultpoints.reach("forget.condemned")


def _delete(db: connection.Connection, home: Home, result: Forgotten) -> None:
    """Phase 2 of every plan whose readers are gone, and whatever an earlier one was interrupted in."""
    for plan in db.execute("SELECT * FROM plan").fetchall():
        columns = (plan["id"], plan["phase"], plan["packs"], plan["readers"])
        if not seal.same(schema.plan_seal(home.seal, *columns), plan["seal"]):
            raise errors.IntegrityError("a recorded forget plan is damaged; nothing was deleted")
        packs = plan["packs"].split()
        readers = list(lease.readers(home))
        if plan["phase"] == schema.CONDEMNED and readers:
            with connection.transaction(db):
                _write_plan(db, home, plan["id"], schema.WAITING, packs, readers)
            result.waiting += packs
            continue
        if plan["phase"] != schema.DELETING:
            if set(plan["readers"].split()) & set(readers):
                result.waiting += packs
                continue
            packs = _delete_rows(db, home, plan["id"], packs)
            faultpoints.reach("forget.rows-deleted")
        _delete_files(db, home, packs, result)
        faultpoints.reach("forget.files-deleted")
        with connection.transaction(db):
            db.execute("DELETE FROM plan WHERE id = ?", (plan["id"],))


def _delete_rows(db: connection.Connection, home: Home, plan: str, packs: list[str]) -> list[str]:
    """Take the rows of what still is condemned and needed by none; the plan then lists only those."""
    with connection.transaction(db):
        needed = {pack for row in db.execute("SELECT packs FROM point") for pack in row["packs"].split()}
        condemned = {row["id"] for row in db.execute("SELECT id FROM pack WHERE plan = ?", (plan,))}
        packs = [pack for pack in packs if pack in condemned and pack not in needed]
        db.executemany("DELETE FROM pack WHERE id = ?", [(pack,) for pack in packs])
        _write_plan(db, home, plan, schema.DELETING, packs, [])
    return packs


def _delete_files(db: connection.Connection, home: Home, packs: list[str], result: Forgotten) -> None:
    for pack in packs:
        if db.execute("SELECT 1 FROM pack WHERE id = ?", (pack,)).fetchone() is not None:
            continue
        *directories, name = pack_place.parts(pack)
        size = pack_place.size(home, pack)
        with contextlib.suppress(FileNotFoundError), home.held(*directories) as directory:
            disk.unlink(name, dir_fd=directory)
            disk.fsync(directory)
            result.packs.append(pack)
            result.bytes_freed += size or 0


def _sweep(db: connection.Connection, home: Home, result: Forgotten) -> None:
    """Remove what dead children left: unfinished packs, unnamed packs, caches of commits that never were."""
    with home.held("tmp") as directory:
        for name in disk.listdir(directory):
            run = name.partition(".")[0]
            if not (is_id(run) and lease.is_alive(home, run)):
                _sweep_file(directory, name, result)
    with home.held("leases") as directory:
        for name in disk.listdir(directory):
            run, _, rest = name.partition(".known.")
            if rest and not lease.is_alive(home, run):
                _sweep_file(directory, name, None)
    _sweep_file_logs(db, home)
    if anchor.read(home) is None:
        return  # a copy may have come without its WAL: then an unnamed pack may be a restore point's
    from forkpoint.journal import packfile, rebuild

    named = {row["id"] for row in db.execute("SELECT id FROM pack")}
    named.update(*(row["packs"].split() for row in db.execute("SELECT packs FROM point")))
    for pack in packfile.all_packs(home):
        if pack not in named:
            owner = rebuild.run_of(home, pack)
            if owner is None:
                alive = any(lease.is_alive(home, row["id"]) for row in db.execute("SELECT id FROM run"))
            else:
                alive = lease.is_alive(home, owner.id)
            if not alive:
                *directories, name = pack_place.parts(pack)
                with home.held(*directories) as directory:
                    _sweep_file(directory, name, result)


def _sweep_file_logs(db: connection.Connection, home: Home) -> None:
    """What runs noted and kept of files, once they have no restore point left to put files back to."""
    from forkpoint.journal import filelog

    with home.held("leases") as directory:
        noted = {name.partition(".")[0] for name in disk.listdir(directory) if f".{filelog.FILES}" in name}
    restorable = {row["run"] for row in db.execute("SELECT DISTINCT run FROM point")}
    for run in noted - restorable:
        if is_id(run) and not lease.is_alive(home, run):
            filelog.forget(home, run)


def _sweep_file(directory: int, name: str, result: Forgotten | None) -> None:
    with contextlib.suppress(OSError):
        size = disk.stat(name, dir_fd=directory, follow_symlinks=False).st_size
        disk.unlink(name, dir_fd=directory)
        if result is not None:
            result.swept.append(name)
            result.bytes_freed += size


def forget(home: Home, policy: Policy, *, run: str | None = None, dry_run: bool = False) -> Forgotten:
    """Forget what the policy lets go, of one run or of all, and free what nothing needs any more.

    Raises `IntegrityError` without deleting anything when the journal cannot be believed. On a full disk the reserve
    is given back first.
    """
    import time

    result = Forgotten()
    with home.writer_lock(), _room(home), connection.errors_in_words(home):
        db = connection.open_writer(home)
        try:
            rows = _sound_rows(db, home)
            considered = [row for row in rows if run is None or row["run"] == run]
            going = choose(considered, policy, _pinned(home, {row["run"] for row in rows}), time.time())
            if dry_run:
                gone = {row["id"] for row in going}
                result.points = sorted(gone)
                result.packs = _dead_packs(db, [row for row in rows if row["id"] not in gone])
                result.bytes_freed = sum(pack_place.size(home, pack) or 0 for pack in result.packs)
                return result
            _delete(db, home, result)
            _condemn(db, home, rows, going, result)
            _delete(db, home, result)
            _sweep(db, home, result)
            connection.fold(home, db, above_bytes=0)
        finally:
            db.close()
    return result


@contextlib.contextmanager
def _room(home: Home) -> Iterator[None]:
    """Give the reserve back where the disk is full, and set it aside again afterwards."""
    facts = disk.statvfs(home.path)
    with home.held() as root:
        if facts.f_bavail * facts.f_frsize < (1 << 20) or not facts.f_favail:
            free_reserve(root)
        yield
        with contextlib.suppress(OSError):
            fill_reserve(root)


def after_commit(
    db: connection.Connection, home: Home, run: str, keep_last: int, keep_within_seconds: float = 0.0
) -> None:
    """Retention of a live run, by its committer, once the commit stands and was answered: the newest `keep_last`, those
    younger than `keep_within_seconds`, one an hour for a day, and labelled ones. Where the disk is nearly full (see
    room.py): the newest two, and labelled ones.

    Whatever goes wrong here is left for the next time: the commit is not touched by it.
    """
    with contextlib.suppress(errors.ForkpointError, connection.DatabaseError, OSError):
        policy = Policy(keep_last, keep_within_seconds, keep_hours=limits.KEEP_HOURS, keep_labelled=True)
        if room.short(home.path):
            policy = Policy(min(keep_last, limits.KEEP_LAST_POINTS_SHORT), keep_labelled=True)
        (count,) = db.execute("SELECT COUNT(*) FROM point WHERE run = ?", (run,)).fetchone()
        (plans,) = db.execute("SELECT COUNT(*) FROM plan").fetchone()
        if count <= policy.keep_last and not plans:
            return
        import time

        rows = _sound_rows(db, home)
        going = choose([row for row in rows if row["run"] == run], policy, _pinned(home, [run]), time.time())
        result = Forgotten()
        if going:
            _condemn(db, home, rows, going, result)
        _delete(db, home, result)
