"""Every parser of stored or piped bytes, fuzzed with its checks put right: nothing but our own errors may come out.

    python stress/fuzz_parsers.py [--seconds 1800] [--seed N] [--only TARGET] [--plant]

Each target gets mutations of what real stores hold, made what a holder of the key could have written: tags, ids,
digests and checksums are computed anew, since behind them a parser must stand by itself. The corpus is guided by
coverage where atheris is installed, random where not. A finding is an exception that is not `ForkpointError`, a
target that takes 10 s of CPU time, or 1 GiB of memory; it is told with its input, and the exit status is 1. `--plant`
adds a target with a bug, which must be found.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "unit" / "journal")]

try:
    import atheris
except ImportError:
    atheris = None

with atheris.instrument_imports(include=["forkpoint"]) if atheris else contextlib.nullcontext():
    from forkpoint import errors, report
    from forkpoint.journal import (
        anchor,
        codec,
        connection,
        contents,
        disk,
        filelog,
        kept,
        keys,
        known,
        lease,
        lineage,
        listing,
        manifest,
        pack,
        packfile,
        quarantine,
        rebuild,
        record,
        schema,
        seal,
        unkeyed,
    )
    from forkpoint.journal import home as homes
    from forkpoint.journal.plan import RestorePlan
    from forkpoint.journal.reader import Reader

import mutator  # noqa: E402
from journal_program import Program  # noqa: E402

MEMORY_BYTES = 1 << 30
INPUT_SECONDS = 10
STUCK_SECONDS = 3600
FINDING = "finding: "


class Fixture:
    """A small store with a run, whose files the targets write over."""

    def __init__(self, folder: Path) -> None:
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        self.folder = folder
        self.home = homes.create(str(folder / "store"))
        program = Program(self.home)
        for step in range(2):
            program.commit([b"shared" * 100, bytes([step]) * 300])
        program.die()
        self.run = program.run.id
        with Reader(self.home) as reader:
            newest, first = reader.points()
            self.packs = [first.pack, newest.pack]
            self.manifest = manifest.to_bytes(reader.envelope(newest))
            self.plan = reader.plan(newest).to_bytes()
        self.whole = {name: self.path("packs", name[:2], name).read_bytes() for name in self.packs}

    def path(self, *parts: str) -> Path:
        return Path(self.home.path, *parts)

    def lease_file(self, end: str, data: bytes) -> None:
        self.path("leases", f"{self.run}{end}").write_bytes(data)


# ---- what each target does with its input; the corpus it begins with


def fuzz_record(at: Fixture, data: bytes) -> None:
    tagged = data[:96].ljust(96, b"\0")
    raw = tagged + at.home.seal.tag("record", tagged)
    head = record.read_head(at.home.seal, raw)
    stored = data[96:]
    with contextlib.suppress(errors.ForkpointError):
        record.read_payload(at.home.seal, head, stored)
    codec.decode(head.codec, head.itemsize, stored, min(head.length, 1 << 24))


def resealed_pack(key: seal.Seal, data: bytes) -> bytes:
    """Whatever records can be followed, with their digest, CRC and tag right; header and footer likewise."""
    whole = bytearray(data.ljust(mutator.HEADER + mutator.FOOTER, b"\0"))
    whole[48:80] = key.tag("pack header", bytes(whole[:48]))
    for start, end in mutator.records(bytes(whole)):
        whole[start + 56 : start + 88] = seal.digest(whole[start + mutator.HEAD : end])
        whole[start + 88 : start + 92] = struct.pack("<I", zlib.crc32(whole[start : start + 88]))
        whole[start + 96 : start + 128] = key.tag("record", bytes(whole[start : start + 96]))
    body = bytes(whole[-80:-32])
    whole[-32:] = key.tag("pack footer", body)
    return bytes(whole)


def fuzz_pack(at: Fixture, data: bytes) -> None:
    name = at.packs[-1]
    at.path("packs", name[:2], name).write_bytes(resealed_pack(at.home.seal, data))
    with packfile.PackFile(at.home, name) as file:
        found = file.survey()
        for id, entry in found.whole.items():
            file.read(entry[0], id)
        file.envelope()


def fuzz_index(at: Fixture, data: bytes) -> None:
    """A pack whose index is whatever the input says, sealed in every way."""
    name = at.packs[-1]
    body = bytes.fromhex(name) + data[: len(data) // pack.ENTRY.size * pack.ENTRY.size]
    start = mutator.records(at.whole[name])[-1][0]
    head, stored = record.make(at.home.seal, codec.Encoder(), record.INDEX, body, seal.digest(body), 1)
    size = start + len(head) + len(stored) + pack.FOOTER_BYTES
    count = (len(body) - 16) // pack.ENTRY.size
    footer = pack.FOOTER.pack(pack.FOOTER_MAGIC, start, size, count, bytes.fromhex(name))
    footer += at.home.seal.tag("pack footer", footer)
    at.path("packs", name[:2], name).write_bytes(at.whole[name][:start] + head + bytes(stored) + footer)
    with packfile.PackFile(at.home, name) as file:
        file.survey()
        file.envelope()


def fuzz_unkeyed(at: Fixture, data: bytes) -> None:
    """What `restore --trust` reads: nobody vouches for it at all."""
    name = at.packs[-1]
    at.path("packs", name[:2], name).write_bytes(resealed_pack(at.home.seal, data))
    packs = unkeyed.Packs(at.home, [name])
    rebuild.in_order(packs.envelopes)
    for id in packs.places:
        with contextlib.suppress(errors.ForkpointError):
            packs.read(id)


def fuzz_manifest(at: Fixture, data: bytes) -> None:
    envelope = manifest.from_bytes(data)
    manifest.list_ids(envelope)
    manifest.to_bytes(envelope)
    rebuild.in_order([envelope, envelope])
    assert all(map(homes.is_id, (envelope.pack, envelope.run.id, envelope.manifest.point, *envelope.packs)))


def fuzz_plan(at: Fixture, data: bytes) -> None:
    RestorePlan.from_bytes(data).packs_by_chunk()


def fuzz_rows(at: Fixture, data: bytes) -> None:
    """Rows of runs and restore points with what the input says in any column, their tags right."""
    words = [word.decode("utf-8", "replace") for word in data.split(b"\xff")] or [""]
    chance = random.Random(data)
    for name in connection._FILES:
        at.path(name).unlink(missing_ok=True)
    with at.home.writer_lock():
        db = connection.open_writer(at.home)
        try:
            run = {name: chance.choice(words) for name in schema.RUN_COLUMNS}
            db.execute(
                f"INSERT INTO run VALUES ({','.join('?' * 8)})", (*run.values(), schema.run_tag(at.home.seal, run))
            )
            point = {name: chance.choice(words) for name in schema.POINT_COLUMNS}
            for name in ("number", "seq", "complete", "bytes_new", "bytes_total", "stop_ms", "commit_ms"):
                point[name] = int.from_bytes(chance.choice(words).encode()[:7].ljust(1, b"\0"), "little", signed=True)
            point["stop_ms"], point["commit_ms"] = float(point["stop_ms"]), float(point["commit_ms"])
            point["run"] = chance.choice([run["id"], at.run, point["run"]])
            point["manifest_id"] = point["previous"] = data[:32]
            columns = (*schema.POINT_COLUMNS, "tag")
            values = (*point.values(), schema.point_tag(at.home.seal, point))
            db.execute(f"INSERT INTO point ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})", values)
        finally:
            db.close()
    with Reader(at.home, accept_rollback=True) as reader:
        for run_found in reader.runs():
            listing.run_fields(run_found)
        for found in reader.points():
            reader.sound(found)
        with contextlib.suppress(errors.UnknownReference):
            reader.resolve(words[0])


def fuzz_known(at: Fixture, data: bytes) -> None:
    at.lease_file(".known", data + at.home.seal.tag("known", at.run, data))
    known.base(at.home, at.run)
    known.load(at.home, at.run, data[8:40].decode("latin-1"))


def fuzz_contents(at: Fixture, data: bytes) -> None:
    body = data.decode("ascii", "replace").encode("ascii", "replace").decode()
    at.lease_file(".contents", f"{at.home.seal.tag('contents', at.run, body).hex()} {body}".encode())
    contents.read(at.home, at.run)


def fuzz_filelog(at: Fixture, data: bytes) -> None:
    lines, last = [], ""
    for line in data.decode("ascii", "replace").encode("ascii", "replace").decode().split("\n"):
        last = at.home.seal.tag(filelog.FILES, at.run, last, line).hex()
        lines.append(f"{last} {line}\n")
    at.lease_file(f".{filelog.FILES}", "".join(lines).encode())
    filelog.touches(at.home, at.run)


def fuzz_notes(at: Fixture, data: bytes) -> None:
    """Small files that carry no tag: who holds a lease, how a run ended, which runs came last."""
    for end in (".lock", ".end"):
        at.lease_file(end, data)
    at.path("leases", f"{at.run}.last").write_bytes(data)
    lease.is_alive(at.home, at.run)
    lease.program_alive(at.home, at.run)
    lease.end(at.home, at.run)
    lineage.runs(at.home, at.run)


def fuzz_anchor(at: Fixture, data: bytes) -> None:
    body = data[:112].ljust(112, b"\0")
    Path(at.home.anchor_path).write_bytes(body + at.home.seal.tag("anchor", body))
    anchor.read(at.home)
    Path(at.home.anchor_path).write_bytes(data)
    anchor.read(at.home)


def fuzz_format(at: Fixture, data: bytes) -> None:
    at.path("FORMAT").write_bytes(data)
    homes.open_home(at.home.path)


def fuzz_key(at: Fixture, data: bytes) -> None:
    path = at.folder / "a.key"
    path.write_bytes(data)
    path.chmod(0o600)
    keys.adopt(str(path))


def fuzz_quarantine(at: Fixture, data: bytes) -> None:
    folder = at.path(quarantine.NAME, "x")
    folder.mkdir(parents=True, exist_ok=True)
    body = data.decode("utf-8", "replace")
    (folder / "report").write_bytes(f"{at.home.seal.tag(quarantine.NAME, body).hex()} {body}".encode())
    quarantine.notes(at.home, set())


def fuzz_hidden(at: Fixture, data: bytes) -> None:
    """Texts of an encrypted store: as anybody could write them, and as a holder of the key."""
    key = seal.Seal(at.home.key, at.home.store, encrypted=True)
    assert key.cipher is not None
    with contextlib.suppress(errors.ForkpointError):
        key.show("run", data.decode("utf-8", "surrogateescape"))
    proof, hidden = key.cipher.encrypt(b"text run", data)
    key.show("run", base64.b64encode(proof + hidden).decode())


def fuzz_kept(at: Fixture, data: bytes) -> None:
    """A copy of a file in an encrypted store."""
    home = homes.Home(at.home.path, at.home.store, at.home.key, at.home.anchor_path, at.home.identity, True)
    at.path("leases", "x.files.1").write_bytes(data)
    os.close(kept.open_kept(home, "x.files.1", seal.digest(b"").hex()))


def fuzz_report(at: Fixture, data: bytes) -> None:
    report.decode(data)
    report.decode(data[: report.SIZE].ljust(report.SIZE, b"\0"))


def planted(at: Fixture, data: bytes) -> None:
    if len(data) > 3 and data[0] == data[1]:
        raise KeyError("planted")


Target = Callable[[Fixture, bytes], None]
TARGETS: dict[str, tuple[Target, Callable[[Fixture], list[bytes]]]] = {
    "record": (fuzz_record, lambda at: [at.whole[at.packs[0]][80:208] + at.whole[at.packs[0]][208:700]]),
    "pack": (fuzz_pack, lambda at: list(at.whole.values())),
    "index": (fuzz_index, lambda at: [pack.ENTRY.pack(bytes(32), 80, 100, 1) * 3]),
    "unkeyed": (fuzz_unkeyed, lambda at: list(at.whole.values())),
    "manifest": (fuzz_manifest, lambda at: [at.manifest]),
    "plan": (fuzz_plan, lambda at: [at.plan]),
    "rows": (fuzz_rows, lambda at: [b"\xff".join([at.run.encode(), b'["a"]', b"{}", b"2026-01-01", b"3", b"../x"])]),
    "known": (fuzz_known, lambda at: [struct.pack("<8s32sII", b"FKPKNOWN", b"a" * 32, 1, 1) + b"b" * 68]),
    "contents": (fuzz_contents, lambda at: [b'{"a":["file",1,2,3,4,"' + base64.b64encode(bytes(64)) + b'"]}']),
    "filelog": (
        fuzz_filelog,
        lambda at: [b'{"path":"a","change":"append","was":{"kind":"file","size":1},"kept":null,"digest":""}'],
    ),
    "notes": (fuzz_notes, lambda at: [b"1 2 3 4", b"finished: 1\nexit: 0\n", b"a" * 32 + b" /usr"]),
    "anchor": (fuzz_anchor, lambda at: [Path(at.home.anchor_path).read_bytes()]),
    "format": (fuzz_format, lambda at: [at.path("FORMAT").read_bytes()]),
    "key": (fuzz_key, lambda at: [Path(keys.location(at.home.key_id)).read_bytes()]),
    "quarantine": (fuzz_quarantine, lambda at: [b'{"lost":[{"id":"a","ref":"b","variables":["c"]}]}']),
    "hidden": (fuzz_hidden, lambda at: [b"text\x80".ljust(64, b"\0"), base64.b64encode(bytes(96))]),
    "kept": (fuzz_kept, lambda at: [bytes(100)]),
    "report": (fuzz_report, lambda at: [report.encode(report.Report("K", "a" * 32, 3, message="words"))]),
}


def one(name: str, seconds: int, seed: int, folder: Path) -> None:
    """Fuzz one target in this process; ends it. Every input that is new to the coverage is kept by libFuzzer."""
    disk.fsync = disk.fdatasync = lambda fd: None  # type: ignore[assignment]  # only parsing is looked at
    at = Fixture(folder)
    target, corpus = TARGETS[name] if name != "planted" else (planted, lambda at: [b"planted"])

    def too_long(*_: object) -> None:
        raise TimeoutError(f"{INPUT_SECONDS} s of CPU time")

    signal.signal(signal.SIGPROF, too_long)

    def run(data: bytes) -> None:
        try:
            signal.setitimer(signal.ITIMER_PROF, INPUT_SECONDS)  # by the wall a stopped process takes long, too
            target(at, data)
            signal.setitimer(signal.ITIMER_PROF, 0)
            assert not any(name.startswith("reader-") for name in os.listdir(at.path("leases"))), "a lease is left over"
        except errors.ForkpointError:
            pass
        except BaseException:
            print(f"{FINDING}{traceback.format_exc()}input: {data.hex()}", flush=True)
            os._exit(1)

    if atheris is None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        at_random(run, corpus(at), seconds, seed)
    seeds = folder / "corpus"
    seeds.mkdir()
    for number, data in enumerate(corpus(at)):
        (seeds / str(number)).write_bytes(data)
    arguments = [
        sys.argv[0], str(seeds), f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={STUCK_SECONDS}",
        f"-rss_limit_mb={MEMORY_BYTES >> 20}", f"-artifact_prefix={folder}/", "-max_len=8192",
    ]  # fmt: skip
    atheris.Setup(arguments, run)
    atheris.Fuzz()


def at_random(run: Callable[[bytes], None], corpus: list[bytes], seconds: int, seed: int) -> None:
    """Without atheris: changes of bytes, one upon the other, of a corpus that stays as it is."""
    chance = random.Random(seed)
    changes = (
        mutator.flip_bit, mutator.flip_many, mutator.zero, mutator.noise, mutator.cut_out, mutator.insert,
        mutator.truncate, mutator.append, mutator.exchange, mutator.length_field,
    )  # fmt: skip
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        data = bytearray(chance.choice(corpus))
        for _ in range(chance.choice([1, 1, 2, 5])):
            chance.choice(changes)(data, chance)
        run(bytes(data))
        count += 1
    print(f"Done {count} runs", flush=True)
    os._exit(0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=1800, help="for all targets together")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--only", choices=sorted(TARGETS), action="append")
    parser.add_argument("--plant", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    names = ["planted"] if asked.plant else asked.only or list(TARGETS)
    each = max(1, asked.seconds // len(names))
    if asked.one:
        one(asked.one, each, asked.seed, Path(os.environ["FUZZ_FOLDER"]))
    print(f"seed {asked.seed}, {'atheris' if atheris else 'at random'}, {each} s a target")
    findings = 0
    for name in names:
        with tempfile.TemporaryDirectory(prefix="forkpoint-fuzz-") as folder:
            command = [sys.executable, __file__, "--one", name, "--seconds", str(each * len(names)), "--seed"]
            done = subprocess.run(
                [*command, str(asked.seed), *(f"--only={one}" for one in asked.only or ())], check=False,
                env={**os.environ, "FUZZ_FOLDER": folder}, capture_output=True, text=True, errors="replace",
            )  # fmt: skip
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Done ")]
            print(f"{name}: {said[-1] if said and not done.returncode else 'FOUND'}", flush=True)
            if done.returncode:
                findings += 1
                print(done.stdout.partition(FINDING)[2] or (done.stdout + done.stderr)[-3000:], flush=True)
    return int(findings == 0) if asked.plant else int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
