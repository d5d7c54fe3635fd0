"""Read-only questions to the store: which runs and restore points there are, and which can be believed.

The journal is read once, in one picture, and closed; every value used had its tag checked. What the journal lost or
has damaged (its WAL hides rows when a bit flips; the anchor tells) is looked for in the packs, which name themselves.
"""

from __future__ import annotations

from typing import Any, Self

from forkpoint import errors
from forkpoint.journal import anchor, columns, connection, lease, manifest, packfile, rebuild, refs, rows, schema, seal
from forkpoint.journal.home import Home
from forkpoint.journal.plan import RestorePlan
from forkpoint.journal.points import Damage, Point, Run, Sound
from forkpoint.journal.runs import RunInfo


class Reader:
    """A picture of the store. While it is open no pack it may lead to is deleted.

    Raises `IntegrityError` for a store older than its anchor, unless `accept_rollback`. `damages` is what was found
    wrong with the journal itself; `anchored` is False where no anchor vouches for the store's age (a copy, say).
    `locked`: the caller holds writer.lock, and the journal's files are left alone; reading in place folds the WAL.
    """

    def __init__(self, home: Home, *, accept_rollback: bool = False, locked: bool = False) -> None:
        self.home = home
        self.locked = locked
        self.damages: tuple[Damage, ...] = ()
        self._lease = lease.acquire_reader(home)
        try:
            self._load(accept_rollback)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def lease(self) -> lease.Lease | None:
        """The reader's lease, to be passed on to the process that reads the packs; None on a read-only store."""
        return self._lease

    def close(self) -> None:
        """Let packs be deleted again."""
        lease.release_reader(self.home, self._lease)
        self._lease = None

    def _load(self, accept_rollback: bool) -> None:
        self._infos: dict[str, RunInfo] = {}
        self._points: dict[str, Point] = {}
        self.gaps: list[tuple[int, int, bytes]] = []
        self.tags: dict[int, tuple[bytes, bytes]] = {}
        self.condemned: set[str] = set()
        damages: list[Damage] = []
        claims: dict[str, int] = {}
        noted = self.noted = anchor.read(self.home)  # before the journal: commits go on, and each precedes its anchor
        try:
            with connection.reading(self.home, locked=self.locked) as db:
                if db is not None:
                    self._read_rows(db, damages, claims)
        except connection.DatabaseError as error:
            damages.append(Damage("the journal can be read", f"journal.db: {error}"))
        self.anchored = noted is not None
        head = max((point.number for point in self._points.values()), default=0)
        if noted is not None and noted.number > head and not damages:
            detail = f"journal.db: {noted.number} commits were made, the last row is that of number {head}"
            damages.append(Damage("the journal reaches its anchor", detail))
        if damages or not self.anchored:
            self._find_in_packs(claims)
            self._find_runs()
        self.damages = tuple(damages)
        self.rolled_back = noted is not None and self._contradicts(noted, claims)
        if noted is not None and self.rolled_back and not accept_rollback:
            raise rebuild.rolled_back(noted)

    def _read_rows(self, db: connection.Connection, damages: list[Damage], claims: dict[str, int]) -> None:
        key = self.home.seal
        self.condemned, forged = rebuild.going_packs(db, self.home)
        damages += [Damage("every plan is sealed", f"journal.db: forget plan {id} is damaged") for id in forged]
        for row in db.execute("SELECT * FROM gap ORDER BY first"):
            if seal.same(schema.gap_seal(key, row["first"], row["last"], row["tag"]), row["seal"]):
                self.gaps.append((row["first"], row["last"], row["tag"]))
            else:
                damages.append(Damage("every gap is sealed", f"journal.db: gap {row['first']} is damaged"))
        for row in db.execute("SELECT * FROM run"):
            try:
                self._infos[row["id"]] = rows.run_of(key, row)
            except errors.IntegrityError as error:
                damages.append(Damage("every run's row is sealed", f"journal.db: {error}"))
        for row in db.execute("SELECT * FROM point ORDER BY number"):
            try:
                self._points[row["id"]] = _point(key, row)
                self.tags[row["number"]] = (row["previous"], row["tag"])
            except errors.IntegrityError:
                claims[str(row["id"])] = int(row["number"])
                detail = f"journal.db: the row of restore point {row['id']} is damaged"
                damages.append(Damage("every commit's chain tag holds", detail, None, (str(row["id"]),)))

    def _find_in_packs(self, claims: dict[str, int]) -> None:
        """Restore points and runs the journal cannot vouch for, from the packs that hold them."""
        known = {point.pack for point in self._points.values()} | self.condemned
        for item in rebuild.find(self.home, known):
            manifest = item.envelope.manifest
            siblings = [point for point in self._points.values() if point.run == manifest.run]
            parent = self._points.get(manifest.parent or "")
            number = claims.get(manifest.point) or 1 + max((p.number for p in self._points.values()), default=0)
            taken = {point.seq for point in siblings}
            seq = parent.seq + 1 if parent else 1
            self._infos.setdefault(manifest.run, item.envelope.run)
            self._points[manifest.point] = Point(
                manifest.point, manifest.run, seq if seq not in taken else max(taken) + 1, number, manifest.parent,
                manifest.label, manifest.created_at, manifest.trigger, manifest.complete, manifest.location,
                item.size, manifest.bytes_total, manifest.stop_ms, 0.0, item.envelope.pack, item.envelope.packs,
                item.manifest_id, recovered=True,
            )  # fmt: skip

    def _find_runs(self) -> None:
        """Runs whose row is damaged, as any pack of theirs tells them."""
        for point in self._points.values():
            if point.run not in self._infos and (info := rebuild.run_of(self.home, point.pack)) is not None:
                self._infos[point.run] = info

    def _contradicts(self, noted: anchor.Anchor, claims: dict[str, int]) -> bool:
        """Whether the commit the anchor names neither is here, nor was forgotten, nor is merely damaged."""
        if noted.number == 0 or noted.point in claims:
            return False
        said = {last: tag for _first, last, tag in self.gaps} | {n: tag for n, (_, tag) in self.tags.items()}
        if (tag := said.get(noted.number)) is not None:
            return not seal.same(tag, noted.tag)
        forgotten = any(first <= noted.number <= last for first, last, _tag in self.gaps)
        return not forgotten and noted.point not in self._points

    def points(self, run: str | None = None) -> tuple[Point, ...]:
        """Restore points, newest first; of one run or of all."""
        chosen = [point for point in self._points.values() if run is None or point.run == run]
        return tuple(sorted(chosen, key=lambda point: point.number, reverse=True))

    def infos(self) -> tuple[RunInfo, ...]:
        """What is known of all runs."""
        return tuple(self._infos.values())

    def runs(self) -> tuple[Run, ...]:
        """All runs, newest first: by their newest restore point, and those without any by when they began."""
        found = [self.run(id) for id in self._infos]
        newest = {run.id: max((point.number for point in run.points), default=0) for run in found}
        return tuple(sorted(found, key=lambda run: (run.created_at, newest[run.id]), reverse=True))

    def run(self, id: str) -> Run:
        """One run by its whole id. Raises `UnknownReference`."""
        if (info := self._infos.get(id)) is None:
            raise errors.UnknownReference(f"no run {id}", candidates=tuple(self._infos))
        held = lease.is_alive(self.home, id)
        program = held and lease.program_alive(self.home, id)
        finished, status = lease.end(self.home, id) or (False, None)
        return Run(
            info.id, info.program, info.argv, info.cwd, info.identity, info.created_at, info.facts,
            "running" if program else "finished" if finished else "died", None if program else status,
            program, held and not program, self.points(id),
        )  # fmt: skip

    def has(self, point: str) -> bool:
        """Whether this restore point is durable: how an unknown outcome is resolved."""
        return point in self._points

    def resolve(self, reference: str) -> Point:
        """The restore point a REF names (see refs.py). Raises `UnknownReference` with candidates."""
        return refs.resolve(self.points(), tuple(self._infos), reference)

    def newest_unfinished(self) -> Run:
        """The newest run that did not finish. Raises `UnknownReference` when there is none to restore."""
        runs = self.runs()
        for run in runs:
            if run.state != "finished" and run.points:
                return run
        raise errors.UnknownReference(
            "no unfinished run to restore", candidates=tuple(point.reference for run in runs for point in run.points)
        )

    def envelope(self, point: Point) -> manifest.Envelope:
        """The manifest of a restore point. Raises `IntegrityError` when it cannot be read or is another one's."""
        with packfile.PackFile(self.home, point.pack) as file:
            envelope = file.envelope(point.manifest_id)
        told = (envelope.manifest.point, envelope.manifest.run, envelope.manifest.parent, envelope.packs)
        if told != (point.id, point.run, point.parent, point.packs):
            raise errors.IntegrityError(f"pack {point.pack} holds the manifest of another restore point")
        return envelope

    def plan(self, point: Point) -> RestorePlan:
        """Where each chunk of a restore point lies. Raises `IntegrityError` when one cannot be found."""
        envelope = self.envelope(point)
        if envelope.listed:
            lists = self._places(point, envelope.packs, manifest.list_ids(envelope))
            source = packfile.PackReader(self.home, RestorePlan(point.seq, envelope, lists))
            try:
                envelope = manifest.without_lists(envelope, source.get)
            finally:
                source.close()
        needed = {chunk for pod in envelope.manifest.pods for chunk in pod.chunks}
        return RestorePlan(point.seq, envelope, self._places(point, envelope.packs, needed))

    def _places(self, point: Point, packs: tuple[str, ...], needed: set[bytes]) -> dict[bytes, tuple[str, int, int]]:
        """Pack, offset and stored length of all these chunks. Raises `IntegrityError` when one cannot be found."""
        places: dict[bytes, tuple[str, int, int]] = {}
        for name in packs:
            with packfile.PackFile(self.home, name) as file:
                for chunk, (offset, stored, _type) in file.entries().items():
                    if chunk in needed:
                        places[chunk] = (name, offset, stored)
        if missing := needed.difference(places):
            raise errors.IntegrityError(f"{len(missing)} chunks of restore point {point.id} are in none of its packs")
        return places

    def sound(self, point: Point) -> list[Damage]:
        """What is wrong with a restore point, every byte it rests on looked at; its row was checked when read."""
        suffering = (point.id,)
        try:
            plan = self.plan(point)
            with packfile.PackFile(self.home, point.pack) as file:
                own = file.check()
        except errors.IntegrityError as error:
            return [Damage("a restore point's packs are as written", str(error), point.pack, suffering)]
        damages = [Damage("every byte of a pack is as written", text, point.pack, suffering) for text in own]
        source = packfile.PackReader(self.home, plan)
        try:
            for chunk, (name, _offset, _stored) in plan.chunks.items():
                if name != point.pack:
                    try:
                        source.get(chunk)
                    except errors.IntegrityError as error:
                        damages.append(Damage("every chunk is as written", str(error), name, suffering))
        finally:
            source.close()
        return damages

    def newest_sound(self, run: str | None = None) -> Sound:
        """The restore point to go on from: the newest sound complete one, or failing that the newest sound one.

        `run` is a run id; None means the newest unfinished run. What was passed over is named. Raises
        `IntegrityError` when the run has restore points and none is sound.
        """
        chosen = self.newest_unfinished() if run is None else self.run(run)
        skipped: list[Damage] = [
            damage for damage in self.damages if not damage.points or self._concerns(damage, chosen.points)
        ]
        incomplete: list[tuple[Point, RestorePlan]] = []
        for point in chosen.points:
            if damages := self.sound(point):
                skipped += damages
            elif not point.complete:
                incomplete.append((point, self.plan(point)))
            else:
                return Sound(point, self.plan(point), tuple(skipped), tuple(item[0] for item in incomplete))
        if incomplete:
            return Sound(*incomplete[0], tuple(skipped), ())
        if not chosen.points:
            raise errors.UnknownReference(f"run {chosen.id} has no restore point yet")
        raise errors.IntegrityError(
            f"no restore point of run {chosen.id} is sound: " + "; ".join(str(damage) for damage in skipped[:3])
        )

    def _concerns(self, damage: Damage, points: tuple[Point, ...]) -> bool:
        """Whether a damage to the journal's rows may be about one of these (a damaged row may name anything)."""
        ids = {point.id for point in points}
        return any(id in ids or id not in self._points for id in damage.points)

    def wait_for_child(self, run: str, deadline_seconds: float) -> bool:
        """Wait until a dead program's child has finished writing; open a new `Reader` afterwards."""
        return lease.wait_for_child(self.home, run, deadline_seconds)


def _point(key: seal.Seal, row: Any) -> Point:
    """The restore point a row tells of. Raises `IntegrityError` when it is not as it was written."""
    if not seal.same(schema.point_tag(key, row), row["tag"]):
        raise errors.IntegrityError(f"the row of restore point {row['id']} is damaged")
    return Point(
        row["id"], row["run"], row["seq"], row["number"], row["parent"], columns.label_in(key, row),
        row["created_at"], row["trigger"], bool(row["complete"]), columns.location_in(key, row), row["bytes_new"],
        row["bytes_total"], row["stop_ms"], row["commit_ms"], row["pack"], tuple(row["packs"].split()),
        row["manifest_id"],
    )  # fmt: skip
