"""Ways to hurt a store: what a disk does, and what somebody does who may write to it but has no key.

Each mutation is one function of (store's path, the anchor's path, seeded randomness), which changes files and says in
words what it did. Checks that need no key (CRC, digests, SQLite's own) are put right again where that is the point.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import blake3
import zstandard

HEADER, HEAD, FOOTER = 80, 128, 80
JOURNAL = ("journal.db", "journal.db-wal")

Mutation = Callable[[Path, Path, random.Random], str]


def packs(store: Path) -> list[Path]:
    """The packs in the order they were written; their names are random."""
    return sorted(
        (path for path in (store / "packs").rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns
    )


def records(data: bytes) -> list[tuple[int, int]]:
    """(start, end) of each record of a pack, the index last."""
    found = []
    at = HEADER
    while at + HEAD <= len(data) - FOOTER:
        (stored,) = struct.unpack_from("<Q", data, at + 8)
        if at + HEAD + stored > len(data) - FOOTER:
            break
        found.append((at, at + HEAD + stored))
        at += HEAD + stored
    return found


def _victim(store: Path, anchor: Path, chance: random.Random) -> Path:
    """A file of the store: mostly packs and the journal."""
    notes = sorted(path for path in (store / "leases").iterdir() if path.is_file())
    kinds = [packs(store), [store / name for name in JOURNAL], [anchor], [store / "FORMAT"], notes]
    path = chance.choice(chance.choices(kinds, weights=[6, 6, 1, 1, 1])[0])
    if path.exists() and not path.is_file():
        raise ValueError("no file any more")
    return path


def _bytes(change: Callable[[bytearray, random.Random], str]) -> Mutation:
    """A change of bytes, of any file."""

    def mutate(store: Path, anchor: Path, chance: random.Random) -> str:
        path = _victim(store, anchor, chance)
        data = bytearray(path.read_bytes()) if path.exists() else bytearray()
        said = change(data, chance)
        path.write_bytes(data)
        return f"{path.name[:16]}: {said}"

    return mutate


def flip_bit(data: bytearray, chance: random.Random) -> str:
    at = chance.randrange(len(data) or 1)
    if data:
        data[at] ^= 1 << chance.randrange(8)
    return f"a bit at {at}"


def flip_many(data: bytearray, chance: random.Random) -> str:
    for _ in range(chance.randrange(2, 40)):
        flip_bit(data, chance)
    return "many bits"


def _span(data: bytearray, chance: random.Random) -> slice:
    start = chance.randrange(len(data) or 1)
    return slice(start, min(len(data), start + chance.choice([1, 8, 32, 128, 512, 4096, 20000])))


def zero(data: bytearray, chance: random.Random) -> str:
    place = _span(data, chance)
    data[place] = bytes(len(data[place]))
    return f"zeroes at {place.start}:{place.stop}"


def noise(data: bytearray, chance: random.Random) -> str:
    place = _span(data, chance)
    data[place] = chance.randbytes(len(data[place]))
    return f"noise at {place.start}:{place.stop}"


def cut_out(data: bytearray, chance: random.Random) -> str:
    place = _span(data, chance)
    del data[place]
    return f"cut out {place.start}:{place.stop}"


def insert(data: bytearray, chance: random.Random) -> str:
    place = _span(data, chance)
    data[place.start : place.start] = data[place]
    return f"said twice {place.start}:{place.stop}"


def truncate(data: bytearray, chance: random.Random) -> str:
    keep = chance.choice([0, 1, len(data) // 2, max(0, len(data) - 1), chance.randrange(len(data) or 1)])
    del data[keep:]
    return f"truncated to {keep}"


def append(data: bytearray, chance: random.Random) -> str:
    data += chance.randbytes(chance.choice([1, 80, 128, 4096]))
    return "something appended"


def exchange(data: bytearray, chance: random.Random) -> str:
    size = chance.choice([16, 32, 128, 4096])
    if len(data) >= 2 * size:
        one, two = sorted(chance.sample(range(0, len(data) - size + 1, min(size, 16)), 2))
        if one + size <= two:
            data[one : one + size], data[two : two + size] = data[two : two + size], data[one : one + size]
    return f"two spans of {size} exchanged"


def length_field(data: bytearray, chance: random.Random) -> str:
    at = chance.randrange(0, max(1, len(data) - 8), 8)
    value = chance.choice([0, 1, 2**31 - 1, 2**32, 2**40, 2**63 - 1, 2**64 - 1])
    data[at : at + 8] = value.to_bytes(8, chance.choice(["little", "big"]))
    return f"{value} at {at}"


# ---- packs, by their records


def _in_pack(change: Callable[[bytearray, list[tuple[int, int]], random.Random], str]) -> Mutation:
    def mutate(store: Path, anchor: Path, chance: random.Random) -> str:
        path = chance.choice(packs(store))
        data = bytearray(path.read_bytes())
        said = change(data, records(data), chance)
        path.write_bytes(data)
        return f"pack {path.name[:8]}: {said}"

    return mutate


def swap_records(data: bytearray, found: list[tuple[int, int]], chance: random.Random) -> str:
    one, two = sorted(chance.sample(found, 2))
    data[one[0] : two[1]] = data[slice(*two)] + data[one[1] : two[0]] + data[slice(*one)]
    return "two records swapped"


def double_record(data: bytearray, found: list[tuple[int, int]], chance: random.Random) -> str:
    one, two = chance.choice(found), chance.choice(found)
    data[two[0] : two[1] if chance.random() < 0.5 else two[0]] = data[slice(*one)]
    return "a record stands twice"


def drop_record(data: bytearray, found: list[tuple[int, int]], chance: random.Random) -> str:
    del data[slice(*chance.choice(found))]
    return "a record left out"


def _put_crc_right(data: bytearray, at: int) -> None:
    data[at + 88 : at + 92] = struct.pack("<I", zlib.crc32(data[at : at + 88]))


def head_field(data: bytearray, found: list[tuple[int, int]], chance: random.Random) -> str:
    """Type, codec, item size or a length, with the CRC made right: all that anybody can do without the key."""
    at = chance.choice(found)[0]
    name, offset, size = chance.choice(
        [("version", 4, 1), ("type", 5, 1), ("codec", 6, 1), ("item size", 7, 1), ("stored", 8, 8), ("length", 16, 8)]
    )
    value = chance.choice([0, 1, 2, 3, 4, 255] if size == 1 else [0, 1, 64 << 20, 1 << 30, 2**40, 2**63, 2**64 - 1])
    data[at + offset : at + offset + size] = value.to_bytes(size, "little")
    _put_crc_right(data, at)
    return f"{name} of a record is {value}, CRC right"


def other_payload(data: bytearray, found: list[tuple[int, int]], chance: random.Random) -> str:
    """Another content of the same length, digest and CRC right, tag and id as they were."""
    at, end = chance.choice(found)
    data[at + HEAD : end] = chance.randbytes(end - at - HEAD)
    data[at + 56 : at + 88] = blake3.blake3(data[at + HEAD : end]).digest()
    _put_crc_right(data, at)
    return "another payload, digest and CRC right"


_BOMB = zstandard.ZstdCompressor(level=19, write_content_size=True).compress(bytes(1 << 28))


def bomb(data: bytearray, found: list[tuple[int, int]], chance: random.Random) -> str:
    """256 MiB of zeroes in some kilobytes: the attacker hopes that they are decompressed before the tag is checked."""
    at, end = chance.choice(found)
    data[at + HEAD : end] = _BOMB
    data[at + 6] = 1
    data[at + 8 : at + 24] = struct.pack("<QQ", len(_BOMB), 1 << 28)
    data[at + 56 : at + 88] = blake3.blake3(_BOMB).digest()
    _put_crc_right(data, at)
    return "a zstd bomb, lengths, digest and CRC right"


def pickle_bomb(data: bytearray, found: list[tuple[int, int]], chance: random.Random) -> str:
    """A pickle that makes a file if it is ever loaded."""
    at, end = chance.choice(found)
    evil = b"cos\nsystem\n(S'touch code-was-run'\ntR."
    data[at + HEAD : end] = evil
    data[at + 6] = 0
    data[at + 8 : at + 24] = struct.pack("<QQ", len(evil), len(evil))
    data[at + 56 : at + 88] = blake3.blake3(evil).digest()
    _put_crc_right(data, at)
    return "a hostile pickle, lengths, digest and CRC right"


def footer(data: bytearray, found: list[tuple[int, int]], chance: random.Random) -> str:
    at = len(data) - FOOTER + chance.choice([8, 16, 24])
    data[at : at + 8] = chance.choice([0, 80, len(data), 2**40, 2**64 - 1]).to_bytes(8, "little")
    return "a field of the footer"


def swap_packs(store: Path, anchor: Path, chance: random.Random) -> str:
    one, two = chance.sample(packs(store), 2)
    first, second = one.read_bytes(), two.read_bytes()
    two.write_bytes(first)
    if chance.random() < 0.5:
        one.write_bytes(second)
        return "two packs swapped"
    return "a pack in another's place"


def graft(store: Path, anchor: Path, chance: random.Random) -> str:
    """Part of one pack in the place of part of another."""
    one, two = chance.sample(packs(store), 2)
    source, target = one.read_bytes(), bytearray(two.read_bytes())
    here, there = chance.choice(records(source)), chance.choice(records(bytes(target)))
    target[slice(*there)] = source[slice(*here)]
    two.write_bytes(target)
    return "a record of another pack"


# ---- the journal, by SQL, and its WAL with its checks put right


STATEMENTS = [
    "DELETE FROM point WHERE number = (SELECT {pick}(number) FROM point)",
    "UPDATE point SET label = 'evil' WHERE number = (SELECT {pick}(number) FROM point)",
    "UPDATE point SET pack = '../../../../etc/passwd' WHERE number = (SELECT {pick}(number) FROM point)",
    "UPDATE point SET packs = packs || ' ../../x'",
    "UPDATE point SET packs = pack",
    "UPDATE point SET tag = (SELECT tag FROM point LIMIT 1)",
    "UPDATE point SET tag = x''",
    "UPDATE point SET location = CAST(zeroblob(30000000) AS TEXT)",
    "UPDATE point SET number = number + 1000000 WHERE number = (SELECT MAX(number) FROM point)",
    "UPDATE point SET number = -number",
    "UPDATE point SET created_at = 'never', complete = 7",
    "UPDATE point SET stop_ms = 9e999",
    "UPDATE point SET parent = id",
    (
        "INSERT INTO point SELECT number + 100, 'evil', run, seq + 100, parent, label, trigger, created_at, location,"
        " complete, bytes_new, bytes_total, stop_ms, commit_ms, pack, packs, manifest_id, previous, tag FROM point"
    ),
    "UPDATE run SET argv = '[[[[[[[[[[' || argv",
    "UPDATE run SET facts = replace(CAST(zeroblob(100000) AS TEXT), x'00', '[')",
    "UPDATE run SET id = 'evil'",
    "DELETE FROM run",
    "INSERT INTO gap VALUES (1, 99, x'00', x'00')",
    "UPDATE pack SET plan = 'evil'",
    "DELETE FROM pack",
    "INSERT INTO plan VALUES ('evil', 3, (SELECT group_concat(id, ' ') FROM pack), '', x'00')",
    "DROP TABLE gap",
    "ALTER TABLE point RENAME TO other",
    (
        "DROP TABLE gap; CREATE VIEW gap AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
        " SELECT n AS first, n AS last, x'00' AS tag, x'00' AS seal FROM c"
    ),
    "CREATE TRIGGER evil AFTER INSERT ON point BEGIN DELETE FROM point WHERE number < new.number; END",
    "CREATE VIEW more AS SELECT * FROM point",
    "PRAGMA user_version = 99",
    "PRAGMA user_version = -1",
    "PRAGMA journal_mode = DELETE",
]


def by_sql(store: Path, anchor: Path, chance: random.Random) -> str:
    text = chance.choice(STATEMENTS).format(pick=chance.choice(["MIN", "MAX"]))
    db = sqlite3.connect(store / "journal.db", isolation_level=None)
    try:
        db.executescript(text)
    except sqlite3.Error as error:
        return f"SQL refused ({error}): {text[:60]}"
    finally:
        db.close()
    return f"SQL: {text[:60]}"


def wal_with_right_checks(store: Path, anchor: Path, chance: random.Random) -> str:
    """Bits of one page in the WAL, all frames' checksums computed anew."""
    path = store / "journal.db-wal"
    data = bytearray(path.read_bytes()) if path.exists() else bytearray()
    if len(data) < 32 + 24:
        return "no WAL"
    page = struct.unpack_from(">I", data, 8)[0]
    frames = list(range(32, len(data) - 24 - page + 1, 24 + page))
    if not 512 <= page <= 65536 or not frames:
        return "no frames"
    victim = chance.choice(frames)
    for _ in range(chance.choice([1, 3, 30])):
        data[victim + 24 + chance.randrange(page)] ^= 1 << chance.randrange(8)
    sums = struct.unpack_from(">II", data, 24)
    order = ">" if data[3] & 1 else "<"
    for at in frames:
        sums = _wal_sums(data[at : at + 8], sums, order)
        sums = _wal_sums(data[at + 24 : at + 24 + page], sums, order)
        struct.pack_into(">II", data, at + 16, *sums)
    path.write_bytes(data)
    return "a page in the WAL, checksums right"


def _wal_sums(data: bytearray, sums: tuple[int, int], order: str) -> tuple[int, int]:
    one, two = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return one, two


# ---- whole files


def remove(store: Path, anchor: Path, chance: random.Random) -> str:
    path = _victim(store, anchor, chance)
    path.unlink(missing_ok=True)
    return f"{path.name[:16]} is gone"


def strange_file(store: Path, anchor: Path, chance: random.Random) -> str:
    """A link, a pipe or a directory where a file should be: none may be followed, waited for or fallen over."""
    path = _victim(store, anchor, chance)
    path.unlink(missing_ok=True)
    kind = chance.choice(["link", "endless link", "pipe", "directory", "sparse"])
    if kind == "link":
        path.symlink_to(chance.choice(packs(store) or [anchor]))
    elif kind == "endless link":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        with open(path, "wb") as file:
            file.truncate(chance.choice([1 << 20, 1 << 33]))
    return f"{path.name[:16]} is a {kind}"


def older(store: Path, anchor: Path, chance: random.Random) -> str:
    """The newest packs and the rows about them gone together: an older store put back."""
    newest = max(packs(store), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()
    for name in JOURNAL:
        (store / name).unlink(missing_ok=True)
    return "the newest pack and the journal are gone"


def folder_gone(store: Path, anchor: Path, chance: random.Random) -> str:
    name = chance.choice(["packs", "leases", "tmp"])
    shutil.rmtree(store / name)
    if chance.random() < 0.5:
        (store / name).write_bytes(b"no directory")
    return f"{name}/ is gone"


MUTATIONS: list[Mutation] = [
    *[_bytes(change) for change in (flip_bit, flip_many, zero, noise, cut_out, insert, truncate, append)] * 2,
    *[_bytes(change) for change in (flip_bit, exchange, length_field)],
    *map(_in_pack, (swap_records, double_record, drop_record, head_field, other_payload, bomb, pickle_bomb, footer)),
    swap_packs, graft, by_sql, by_sql, wal_with_right_checks, wal_with_right_checks, remove, strange_file, older,
    folder_gone,
]  # fmt: skip


def mutate(store: Path, anchor: Path, chance: random.Random) -> str:
    """One mutation, sometimes two; what was done, in words. One that has nothing to change any more changes nothing."""
    said = []
    for _ in range(chance.choice([1, 1, 1, 2])):
        try:
            said.append(chance.choice(MUTATIONS)(store, anchor, chance))
        except (OSError, IndexError, ValueError) as error:
            said.append(f"nothing ({error})")
    return "; ".join(said)
