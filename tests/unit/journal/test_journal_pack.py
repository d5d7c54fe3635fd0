"""Packs: what is read back is what was written, or an error; and in which order the disk is told."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_program import Program, manifest

from forkpoint import errors, limits
from forkpoint.journal import codec, disk, durable, lease, pack, pack_place, packfile, record, seal
from forkpoint.journal import home as homes
from forkpoint.journal.home import Home, new_id
from forkpoint.journal.runs import RunInfo

STORES = ("plain", "encrypted")
NUMBERS = b"".join(struct.pack("<f", 1.0 + n / 1000) for n in range(20000))
SAMPLES = [b"", b"x", b"abc" * 1000, os.urandom(5000), NUMBERS, NUMBERS[:-3], bytes(300_000)]


def _written(program: Program, state: list[bytes]) -> tuple[str, Path]:
    info, _ = program.write_pack(state, new_id())
    return info.pack, Path(program.home.path, info.path)


def _problems(home: Home, name: str) -> list[str]:
    try:
        with packfile.PackFile(home, name) as file:
            return file.check()
    except errors.IntegrityError as error:
        return [str(error)]


@pytest.mark.parametrize("itemsize", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("kind", ["objects", "buffer"])
def test_chunks_come_back_as_they_were(program: Program, kind: Any, itemsize: int) -> None:
    point = new_id()
    sink = pack.PackWriter(program.home, program.run, point, {})
    ids = [sink.put(data, kind, itemsize) for data in SAMPLES]
    info = sink.finish(manifest(program.run.id, point, None, tuple(ids)))
    with packfile.PackFile(program.home, info.pack) as file:
        entries = file.entries()
        assert [file.read(entries[id][0], id)[1] for id in ids] == SAMPLES
        assert file.check() == []
        assert file.size == info.bytes_new


@given(st.binary(max_size=70_000), st.sampled_from([1, 2, 3, 4, 8, 16]), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_any_bytes_survive_the_codec(data: bytes, itemsize: int, repeat: int) -> None:
    whole = data * repeat
    used, stored = codec.Encoder().encode(memoryview(whole), itemsize)
    assert codec.decode(used, itemsize, bytes(stored), len(whole)) == whole


def test_numbers_are_shuffled_and_noise_is_stored_raw() -> None:
    encoder = codec.Encoder()
    assert encoder.encode(NUMBERS, 4)[0] == codec.SHUFFLED
    assert len(encoder.encode(NUMBERS, 4)[1]) < len(encoder.encode(NUMBERS, 1)[1])
    noise = os.urandom(200_000)
    used, stored = encoder.encode(noise, 4)
    assert used == codec.RAW and stored is noise


def test_large_buffers_are_compressed_only_where_it_saves_much() -> None:
    encoder = codec.Encoder()
    mixed = b"".join(os.urandom(850) + bytes(150) for _ in range(200))
    assert encoder.encode(mixed, 1)[0] == codec.ZSTD
    assert encoder.encode(mixed, 1, numbers=True)[0] == codec.RAW
    assert encoder.encode(NUMBERS, 4, numbers=True)[0] == codec.SHUFFLED


def test_a_chunk_is_of_one_moment_though_its_memory_moves_on(program: Program) -> None:
    point = new_id()
    sink = pack.PackWriter(program.home, program.run, point, {})
    memory = bytearray(os.urandom(100_000))
    before = bytes(memory)
    chunk = sink.put(memoryview(memory), "buffer")
    memory[:] = bytes(len(memory))
    info = sink.finish(manifest(program.run.id, point, None, (chunk,)))
    with packfile.PackFile(program.home, info.pack) as file:
        assert file.read(file.entries()[chunk][0], chunk)[1] == before


@given(st.binary(max_size=3000), st.integers(1, 50))
@settings(deadline=None)
def test_all_is_written_however_short_the_writes_are(data: bytes, short: int) -> None:
    with tempfile.TemporaryFile(buffering=0) as file, pytest.MonkeyPatch.context() as patch:
        write = os.write
        patch.setattr(os, "write", lambda fd, view: write(fd, view[:short]))
        durable.write_all(file.fileno(), data)
        patch.undo()
        assert os.pread(file.fileno(), 1 << 20, 0) == data


@pytest.mark.parametrize(
    "sizes",
    [
        [1 << 20] * 3,
        [300_000] * 9,
        [(2 << 20) + 1, 5, 3 << 20],
        [10, 3 << 20, 10],
        [(2 << 20) - 208],
        [(2 << 20) - 204],
    ],
)
def test_records_of_any_size_are_gathered_in_order(program: Program, sizes: list[int]) -> None:
    """As they fit the memory they are gathered in, fill it, or are longer than it."""
    state = [os.urandom(size) for size in sizes]
    name, _ = _written(program, state)
    assert _problems(program.home, name) == []
    with packfile.PackFile(program.home, name) as file:
        ids = [program.home.seal.chunk_id(seal.digest(data)) for data in state]
        assert [file.read(file.entries()[id][0], id)[1] for id in ids] == state


def test_every_flipped_byte_is_noticed(program: Program) -> None:
    name, path = _written(program, [b"one" * 50, os.urandom(100)])
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x40
        path.write_bytes(damaged)
        assert _problems(program.home, name), f"a flip at {place} of {len(whole)} went unnoticed"
    path.write_bytes(whole)
    assert _problems(program.home, name) == []


def test_every_truncation_and_an_added_byte_are_noticed(program: Program) -> None:
    name, path = _written(program, [b"one" * 50])
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 7), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert _problems(program.home, name), f"cut to {length} of {len(whole)} went unnoticed"
    path.write_bytes(whole + b"\0")
    assert _problems(program.home, name)


def test_swapped_records_are_noticed(program: Program) -> None:
    one, two = os.urandom(100), os.urandom(100)
    name, path = _written(program, [one, two])
    whole = path.read_bytes()
    size = record.HEAD_BYTES + 100
    first, second = pack.HEADER_BYTES, pack.HEADER_BYTES + size
    swapped = whole[:first] + whole[second : second + size] + whole[first:second] + whole[second + size :]
    path.write_bytes(swapped)
    assert _problems(program.home, name)


def test_a_record_with_the_right_tag_for_another_id_is_refused(program: Program) -> None:
    one, two = os.urandom(100), os.urandom(100)
    name, _ = _written(program, [one, two])
    with packfile.PackFile(program.home, name) as file, pytest.raises(errors.IntegrityError, match="another record"):
        file.read(pack.HEADER_BYTES, program.home.seal.chunk_id(seal.digest(two)))


def test_a_damaged_index_loses_no_chunk(program: Program) -> None:
    one, two = os.urandom(100), os.urandom(200)
    name, path = _written(program, [one, two])
    whole = bytearray(path.read_bytes())
    whole[-10] ^= 1
    path.write_bytes(whole)
    with packfile.PackFile(program.home, name) as file:
        entries = file.entries()
        assert "footer" in file.index_problem
        for data in (one, two):
            id = program.home.seal.chunk_id(seal.digest(data))
            assert file.read(entries[id][0], id)[1] == data


def test_another_stores_pack_is_refused_whole(program: Program, tmp_path: Path) -> None:
    name, path = _written(program, [b"secret" * 20])
    other = homes.create(str(tmp_path / "other" / ".forkpoint"))
    target = Path(other.path, "packs", name[:2])
    target.mkdir()
    (target / name).write_bytes(path.read_bytes())
    with packfile.PackFile(other, name) as file:
        assert file.entries() == {}
        with pytest.raises(errors.IntegrityError):
            file.read(pack.HEADER_BYTES)


def test_a_length_beyond_the_limit_is_refused_before_anything_is_read(home: Home) -> None:
    huge = struct.pack("<4sBBBBQQ32s32s", b"FKPR", 2, record.BUFFER, 1, 1, 10, 1 << 50, bytes(32), bytes(32))
    tagged = huge + struct.pack("<I4x", zlib.crc32(huge))
    with pytest.raises(errors.IntegrityError, match="more bytes"):
        record.read_head(home.seal, tagged + home.seal.tag("record", tagged))
    with pytest.raises(ValueError, match="more than one record"):
        record.make(home.seal, codec.Encoder(), record.BUFFER, bytes(limits.RECORD_BYTES_MAX + 1), bytes(32), 1)


def test_a_bomb_that_declares_less_than_it_holds_is_not_inflated() -> None:
    _, bomb = codec.Encoder().encode(bytes(10_000_000), 1)
    with pytest.raises(errors.IntegrityError, match="another length"):
        codec.decode(codec.ZSTD, 1, bytes(bomb), 1000)


class Recorder:
    """Writes down which calls reach the disk, in order, by the name of the file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        for name in ("fdatasync", "fsync", "rename", "write"):
            monkeypatch.setattr(disk, name, self._wrapped(name, getattr(disk, name)))

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(first: Any, *rest: Any, **named: Any) -> Any:
            target = os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else str(first)
            self.calls.append((name, target))
            return real(first, *rest, **named)

        return call


def test_the_disk_is_told_in_the_order_that_survives_power_loss(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = new_id()
    sink = pack.PackWriter(program.home, program.run, point, {})
    ids = (sink.put(b"data" * 100, "buffer"),)
    seen = Recorder(monkeypatch)
    info = sink.finish(manifest(program.run.id, point, None, ids))
    written = f"{program.run.id}.{info.pack}"
    kinds = [(name, os.path.basename(target)) for name, target in seen.calls]
    order = [
        kinds.index(("write", written)),
        kinds.index(("fdatasync", written)),
        kinds.index(("rename", written)),
        kinds.index(("fsync", info.pack[:2])),
    ]
    assert order == sorted(order)
    assert ("write", written) not in kinds[order[1] :], "nothing may be written after the sync"
    assert kinds.index(("fsync", "packs")) < order[2], "a new directory is durable before a pack goes into it"


def test_a_failed_sync_is_never_tried_again_and_leaves_no_pack(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def failing(fd: int) -> None:
        calls.append(fd)
        raise OSError(5, "Input/output error")

    point = new_id()
    sink = pack.PackWriter(program.home, program.run, point, {})
    ids = (sink.put(b"data" * 100, "buffer"),)
    monkeypatch.setattr(disk, "fdatasync", failing)
    with pytest.raises(OSError, match="Input/output"):
        sink.finish(manifest(program.run.id, point, None, ids))
    assert len(calls) == 1
    assert os.listdir(Path(program.home.path, "tmp")) == []
    assert packfile.all_packs(program.home) == []


def test_a_failed_directory_sync_leaves_no_pack(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    point = new_id()
    sink = pack.PackWriter(program.home, program.run, point, {})
    ids = (sink.put(b"data" * 100, "buffer"),)

    def failing(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(disk, "fsync", failing)
    with pytest.raises(OSError, match="Input/output"):
        sink.finish(manifest(program.run.id, point, None, ids))
    assert packfile.all_packs(program.home) == []


def test_short_writes_change_nothing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "write", lambda fd, data: os.write(fd, memoryview(data)[:37]))
    name, _ = _written(program, [b"abc" * 500, os.urandom(3000)])
    monkeypatch.undo()
    assert _problems(program.home, name) == []


def test_packs_are_private_and_links_are_not_followed(program: Program, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        name, path = _written(program, [b"data"])
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    moved = tmp_path / "elsewhere"
    path.rename(moved)
    path.symlink_to(moved)
    assert _problems(program.home, name)


def test_a_writer_that_was_given_up_leaves_nothing(program: Program) -> None:
    sink = pack.PackWriter(program.home, program.run, new_id(), {})
    sink.put(b"data", "objects")
    sink.abandon()
    assert os.listdir(Path(program.home.path, "tmp")) == []


def test_names_that_are_no_ids_never_reach_a_path(home: Home) -> None:
    with pytest.raises(ValueError, match="not ids"):
        pack.PackWriter(home, RunInfo("../evil", "x"), new_id(), {})
    with pytest.raises(errors.IntegrityError):
        pack_place.parts("../../etc/passwd")
    with pytest.raises(ValueError, match="not a run id"):
        lease.acquire(home, "..")


def test_the_key_is_neither_printed_nor_pickled(home: Home) -> None:
    import pickle

    assert home.key.hex() not in repr(home) + str(home.seal)
    for secret in (home, home.seal):
        with pytest.raises(TypeError, match="never serialized"):
            pickle.dumps(secret)


def test_tags_do_not_mix_up_their_parts(home: Home) -> None:
    assert home.seal.tag("point", "ab", "c") != home.seal.tag("point", "a", "bc")
    assert home.seal.tag("point", "asb") != home.seal.tag("point", "a", "b")
    assert home.seal.tag("point", 1) != home.seal.tag("point", "1")
    assert home.seal.tag("point", None) != home.seal.tag("point", "")
    assert home.seal.tag("gap", 1) != home.seal.tag("plan", 1)
    assert seal.Seal(home.key, new_id()).tag("gap", 1) != home.seal.tag("gap", 1)


def test_after_much_noise_numbers_that_compress_are_found_again_soon() -> None:
    encoder = codec.Encoder()
    noise = os.urandom(100_000)
    assert {encoder.encode(noise, 4, numbers=True)[0] for _ in range(100)} == {codec.RAW}
    used = [encoder.encode(NUMBERS, 4, numbers=True)[0] for _ in range(20)]
    assert 0 < used.index(codec.SHUFFLED) < 8
    assert set(used[used.index(codec.SHUFFLED) :]) == {codec.SHUFFLED}
