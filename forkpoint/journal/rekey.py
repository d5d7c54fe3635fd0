"""A store put under a new key: all of it is written anew, with new ids, tags and chain, and encrypted if it is to be.

For changing the key of one's own store, and for a store from elsewhere whose key is not here, when the user trusts it:
then its checksums have to do, and one that is encrypted cannot be read at all. All restore points come over whose packs
are all there, whichever of them the journal still named; runs keep their ids.

The new packs are written beside the old ones, then the journal is removed, then FORMAT is replaced: that rename is the
change of key. Dying before it leaves the old store, whose journal is made good from its packs; dying after it the new
one, likewise. What is left over of the other is swept by the next forgetting, and by doing this again. Under
writer.lock, no run alive.
"""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from forkpoint import errors, faultpoints
from forkpoint.journal import (
    anchor,
    cipher,
    columns,
    connection,
    disk,
    handover,
    home,
    known,
    lease,
    manifest,
    pack,
    packfile,
    quarantine,
    rebuild,
    rows,
)
from forkpoint.journal.home import Home
from forkpoint.journal.unkeyed import Packs


class Rekeyed(NamedTuple):
    """What came over: the store under its new key, and how many restore points; `lost` says why some did not."""

    home: Home
    points: int
    lost: tuple[str, ...]


def rekey(path: str, old: Home | None = None, *, encrypt: bool = False) -> Rekeyed:
    """Put the store at `path` under a new key. What it was under is `old`; without it nothing is authenticated here.

    An encrypted store stays one, another becomes one where `encrypt` asks for it. Raises `Locked` while a run of it is
    alive, `NoStore` or `IntegrityError` when it is not a store, `KeyMissing` for an encrypted one without `old`.
    """
    if old is None and home.is_encrypted(path):
        raise errors.KeyMissing(
            f"the store {path} is encrypted: without its key nobody can read it, trusted or not",
            hint="`forkpoint key export` where the store was made, `forkpoint key import` here, or FORKPOINT_KEY_FILE",
        )
    encrypted = encrypt or (old is not None and old.encrypted)
    if encrypted:
        cipher.load()
        if old is None or not old.encrypted:
            _require_nothing_beside(path)
    new = home.successor(path, encrypted=encrypted)
    with new.writer_lock(), connection.errors_in_words(new):
        lease.require_unused(new)
        names = packfile.all_packs(new)
        done, lost = _copy(new, Packs(new, names, old.seal if old else None))
        faultpoints.reach("rekey.copied")
        if old is not None:
            anchor.forget(old)  # or the old store, should it stay, would count as one that has lost its journal
        _remove(new, "", ("journal.db", "journal.db-wal", "journal.db-shm"))
        faultpoints.reach("rekey.journal-removed")
        home.install(new)
        faultpoints.reach("rekey.installed")
        _enter(new, done)
        faultpoints.reach("rekey.entered")
        _sweep(new, names)
    return Rekeyed(new, len(done), tuple(lost))


def _require_nothing_beside(path: str) -> None:
    """What a store holds for people, and nobody writes anew, must not stay in the clear in one that is encrypted."""
    for name in ("aside", quarantine.NAME):
        if disk.lexists(os.path.join(path, name)):
            raise errors.UsageError(
                f"{path}/{name} holds files in the clear, which would stay so in an encrypted store",
                hint="move it out of the store first, or delete it",
            )


_Done = tuple[handover.PackInfo, manifest.Envelope]


def _copy(new: Home, packs: Packs) -> tuple[list[_Done], list[str]]:
    """Every whole restore point into a new pack; chunks that an earlier one brought over are not written again."""
    ids: dict[bytes, bytes] = {}
    where: dict[bytes, str] = {}
    done: list[_Done] = []
    lost: list[str] = []
    for envelope in rebuild.in_order(packs.envelopes):
        writer = pack.PackWriter(new, envelope.run, envelope.manifest.point, where)
        try:
            point = manifest.without_lists(envelope, lambda id: packs.read(id)[1]).manifest
            for chunk in dict.fromkeys(chunk for pod in point.pods for chunk in pod.chunks):
                if chunk not in ids or not writer.holds([ids[chunk]]):
                    head, data = packs.read(chunk)
                    ids[chunk] = writer.put(data, head.kind, head.itemsize)
        except errors.IntegrityError as problem:
            writer.abandon()
            lost.append(f"restore point {envelope.manifest.point[:12]} does not come over: {problem}")
            continue
        pods = tuple(pod._replace(chunks=tuple(ids[chunk] for chunk in pod.chunks)) for pod in point.pods)
        info = writer.finish(point._replace(pods=pods))
        known.drop(new, envelope.run.id, point.point)
        where.update((chunk, info.pack) for pod in pods for chunk in pod.chunks if chunk not in where)
        done.append((info, envelope))
    return done, lost


def _enter(new: Home, done: list[_Done]) -> None:
    """The journal of the new store."""
    db = connection.open_writer(new)
    try:
        with connection.transaction(db):
            number, tag = 0, b""
            for info, envelope in done:
                rows.insert_run(db, new, columns.of_run(new, envelope.run))
                fields = {**columns.of_point(new, envelope.manifest), "commit_ms": 0.0}
                number, tag = rows.insert_point(db, new, info, fields)
    finally:
        db.close()
    if done:
        anchor.write(new, anchor.Anchor(number, tag, done[-1][0].point, done[-1][0].pack))
    else:
        anchor.begin(new)


def _sweep(new: Home, packs: list[str]) -> None:
    """The old packs, and what the old key had sealed in leases/: the logs of changed files, the known chunks."""
    for name in packs:
        _remove(new, f"packs/{name[:2]}", (name,))
    with new.held("leases") as directory:
        sealed = [name for name in disk.listdir(directory) if not name.endswith((".lock", ".end"))]
    _remove(new, "leases", sealed)


def _remove(store: Home, directory: str, names: tuple[str, ...] | list[str]) -> None:
    with store.held(*filter(None, directory.split("/"))) as held:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                disk.unlink(name, dir_fd=held)
        disk.fsync(held)
