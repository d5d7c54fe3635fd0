"""A real store, damaged in thousands of ways: each is detected before anything is decoded, or changes nothing.

    python stress/mutations.py [--count 10000] [--seed N] [--plant tags|chain] [--encrypt]

Every mutation (see mutator.py) is made to a fresh copy, and the store is asked all that `verify`, `log`, `show` and
`forkpoint.load()` ask. A process that may take 1 GiB of memory does a batch; it is killed when one mutation takes more
than 20 s. Verdicts: `refused` as a whole; `detected`, what is damaged is named; `harmless`, all is as it was; and
those that must not be: `wrong`, bytes that were never written were handed out; `decoded`, bytes were decompressed or
parsed that no tag vouches for; `silent`, something is missing or changed and nobody says so; `foreign`, an exception
that is not ours; `code`, what was planted in the store ran; `hung`. Exit 1 on any of those.

With `--encrypt` the store is an encrypted one. `--plant` takes a check away (tags, or the tag of rows), and exits 1 if
that goes unnoticed.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import mutator

from forkpoint import errors
from forkpoint.journal import (
    codec,
    contents,
    known,
    lease,
    lineage,
    listing,
    manifest,
    packfile,
    schema,
    seal,
)
from forkpoint.journal import home as homes
from forkpoint.journal.reader import Reader
from forkpoint.journal.verify import verify
from forkpoint.restore import variables

PROGRAM = """
import forkpoint
table = {"weights": [float(n) for n in range(200)], "names": ["a", "b"]}
numbers = bytearray(range(256)) * 1200
def main():
    local = list(range(3000))
    for step in range(4):
        numbers[step * 1000] = step + 1
        table[step] = local[:step]
        forkpoint.checkpoint(f"step {step}", wait=True)
main()
"""
BAD = ("wrong", "decoded", "silent", "foreign", "code", "hung")
BATCH = 50
MEMORY_BYTES = 1 << 30
MUTATION_SECONDS = 20.0
LOADED_EVERY = 7


class Bad(Exception):
    """What must not be: the verdict, and what was seen."""


class Oracle:
    """The store as it was: every chunk by its id, every stored payload, every restore point."""

    def __init__(self, folder: Path, *, encrypt: bool = False) -> None:
        self.folder = folder
        self.store = folder / "work" / ".forkpoint"
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        (folder / "work").mkdir()
        (folder / "work" / "program.py").write_text(PROGRAM)
        command = [sys.executable, "-m", "forkpoint", "run", "-q", *["--encrypt"] * encrypt, "program.py"]
        done = subprocess.run(
            command, cwd=folder / "work", check=False,
            env={**os.environ, "PYTHONPATH": str(Path(errors.__file__).parents[1])}, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(done.stderr)
        self.pristine = folder / "pristine"
        shutil.copytree(self.store, self.pristine, ignore=shutil.ignore_patterns("reserve.*"))
        home = homes.open_home(str(self.store))
        self.anchor = Path(home.anchor_path)
        self.anchor_bytes = self.anchor.read_bytes()
        self.chunks: dict[bytes, bytes] = {}
        self.stored: set[bytes] = set()
        with self._noting():
            for name in packfile.all_packs(home):
                with packfile.PackFile(home, name) as file:
                    for id, entry in file.entries().items():
                        self.chunks[id] = file.read(entry[0])[1]
        with Reader(home) as reader:
            self.points = {point.id: point for point in reader.points()}
            self.plans = {point.id: reader.plan(point) for point in reader.points()}
        self.values = {id: self._value(home, plan) for id, plan in self.plans.items()}
        assert len(self.points) == 4

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """What is decoded while everything is read is what was written."""
        decode = codec.decode

        def noting(used: int, itemsize: int, stored: bytes, length: int) -> bytes:
            self.stored.add(stored)
            return decode(used, itemsize, stored, length)

        codec.decode = noting
        try:
            yield
        finally:
            codec.decode = decode

    @staticmethod
    def _value(home: homes.Home, plan: Any) -> str:
        found = variables.read(home, plan.to_bytes())
        return repr((found["table"], bytes(found["numbers"])))

    def lay_out(self) -> None:
        """The store as it was, in the same directory, so that the anchor speaks of it."""
        for child in self.store.iterdir():
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
        shutil.copytree(self.pristine, self.store, dirs_exist_ok=True)
        shutil.rmtree(self.anchor) if self.anchor.is_dir() and not self.anchor.is_symlink() else self.anchor.unlink(
            missing_ok=True
        )
        self.anchor.write_bytes(self.anchor_bytes)

    def judge(self, load: bool) -> str:
        """Ask the store everything."""
        try:
            home = homes.open_home(str(self.store))
            checked = verify(home)
            with Reader(home) as reader:
                [listing.run_fields(run) for run in reader.runs()]
                self._caches(home, reader)
                sound = [point for point in reader.points() if not reader.sound(point)]
                for point in sound:
                    self._same_point(home, reader, point)
                if load and sound:
                    value = self._value(home, reader.plan(sound[0]))
                    if value != self.values[sound[0].id]:
                        raise Bad("wrong", "other objects were loaded")
        except errors.ForkpointError:
            return "refused"
        if checked.damages or any("anchor" in note for note in checked.notes):
            return "detected"
        if {point.id for point in sound} != set(self.points):
            raise Bad("silent", "restore points are missing, and nothing is said")
        return "harmless"

    def _caches(self, home: homes.Home, reader: Reader) -> None:
        """What the next commit would read."""
        for run in reader.runs():
            for chunk, name in known.load(home, run.id, next(iter(self.points))).items():
                if chunk not in self.chunks or not homes.is_id(name):
                    raise Bad("wrong", "a chunk that never was is known")
            contents.read(home, run.id)
            lease.end(home, run.id)
            lineage.runs(home, run.identity)

    def _same_point(self, home: homes.Home, reader: Reader, point: Any) -> None:
        if point.id not in self.points:
            raise Bad("wrong", f"a restore point that never was: {point}")
        was, plan = self.points[point.id], reader.plan(point)
        told = [(item.label, item.location, item.trigger, item.packs, item.parent, item.run) for item in (was, point)]
        if told[0] != told[1] or (not point.recovered and point.seq != was.seq):
            raise Bad("wrong", f"another row is believed: {point}")
        if plan.manifest != self.plans[point.id].manifest:
            raise Bad("wrong", "another manifest is believed")
        source = packfile.PackReader(home, plan)
        try:
            for chunk in plan.chunks:
                if source.get(chunk) != self.chunks[chunk]:
                    raise Bad("wrong", "a chunk has other bytes than it had")
        finally:
            source.close()


def watch(oracle: Oracle) -> None:
    """From here on nothing is decoded, and no manifest parsed, but what was written."""
    decode, parse = codec.decode, manifest.from_bytes
    written = set(oracle.chunks.values())

    def decoding(used: int, itemsize: int, stored: bytes, length: int) -> bytes:
        if stored not in oracle.stored:
            raise Bad("decoded", f"{len(stored)} bytes that were never written, to {length}")
        return decode(used, itemsize, stored, length)

    def parsing(data: bytes) -> manifest.Envelope:
        if data not in written:
            raise Bad("decoded", "a manifest that was never written")
        return parse(data)

    codec.decode = decoding
    manifest.from_bytes = parsing


def batch(oracle: Oracle, seed: int, numbers: range, out: int, plant: str) -> None:
    """In a process of its own: a line of JSON before, and one after each mutation."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    os.chdir(oracle.folder)
    watch(oracle)
    PLANTS[plant]()
    for number in numbers:
        oracle.lay_out()
        said = mutator.mutate(oracle.store, oracle.anchor, random.Random(f"{seed}/{number}"))
        os.write(out, (json.dumps([number, said, "", ""]) + "\n").encode())
        detail = ""
        try:
            verdict = oracle.judge(load=number % LOADED_EVERY == 0)
        except Bad as bad:
            verdict, detail = bad.args
        except BaseException:
            verdict, detail = "foreign", traceback.format_exc()
        if list(oracle.folder.rglob("code-was-run")):
            verdict, detail = "code", "a planted pickle ran"
        os.write(out, (json.dumps([number, said, verdict, detail]) + "\n").encode())
    os._exit(0)


def _no_tags() -> None:
    seal.same = lambda left, right: True


def _no_row_tags() -> None:
    schema.point_tag = lambda seal, row: row["tag"]


PLANTS: dict[str, Callable[[], None]] = {"": lambda: None, "tags": _no_tags, "chain": _no_row_tags}


def run(oracle: Oracle, count: int, seed: int, plant: str = "") -> tuple[collections.Counter[str], int]:
    """(verdicts, most memory taken in KiB); the bad ones are told on stdout."""
    verdicts: collections.Counter[str] = collections.Counter()
    at = memory = 0
    while at < count:
        numbers = range(at, min(count, at + BATCH))
        receiver, sender = os.pipe()
        child = os.fork()
        if not child:
            os.close(receiver)
            batch(oracle, seed, numbers, sender, plant)
        os.close(sender)
        at, last, text = numbers.stop, (numbers.start, "nothing yet", "", ""), b""
        while select.select([receiver], [], [], MUTATION_SECONDS)[0]:
            more = os.read(receiver, 1 << 16)
            if not more:
                break
            *lines, text = (text + more).split(b"\n")
            for line in lines:
                last = json.loads(line)
                if last[2]:
                    verdicts[last[2]] += 1
                    if last[2] in BAD:
                        print(f"{last[0]}: {last[2]}: {last[1]}\n    {last[3]}", flush=True)
        else:
            os.kill(child, 9)
        os.close(receiver)
        _, status, usage = os.wait4(child, 0)
        memory = max(memory, usage.ru_maxrss)
        if status:
            verdicts["hung"] += 1
            print(f"{last[0]}: the process ended with {status} during: {last[1]}", flush=True)
            at = last[0] + 1
    return verdicts, memory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--plant", choices=sorted(PLANTS), default="")
    parser.add_argument("--encrypt", action="store_true")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="forkpoint-mutations-") as folder:
        verdicts, memory = run(Oracle(Path(folder), encrypt=asked.encrypt), asked.count, asked.seed, asked.plant)
    told = ", ".join(f"{verdicts[name]} {name}" for name in ("refused", "detected", "harmless", *BAD))
    print(f"{sum(verdicts.values())} mutations, seed {asked.seed}: {told}; {memory >> 10} MiB at most;"
          f" {time.monotonic() - began:.0f} s")  # fmt: skip
    found = any(verdicts[name] for name in BAD)
    return int(found) if not asked.plant else int(not found)


if __name__ == "__main__":
    sys.exit(main())
