"""An encrypted store: what is hidden is hidden for one place and under one key, and nothing of the program is told."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_program import ROOT, Program, content

from forkpoint import _native, errors, model, report
from forkpoint.journal import (
    cipher,
    codec,
    committer,
    contents,
    filelog,
    kept,
    lineage,
    pack,
    packfile,
    quarantine,
    record,
    rekey,
    repair,
    seal,
)
from forkpoint.journal import home as homes
from forkpoint.journal.home import Home, new_id
from forkpoint.journal.reader import Reader
from forkpoint.journal.runs import RunInfo
from forkpoint.journal.verify import verify

encrypted = pytest.mark.parametrize("home", ["encrypted"], indirect=True)
NEEDLE = "needle-7f3a"
KEY, STORE = bytes(range(32)), "ab" * 16


def _files(*places: str) -> Iterator[tuple[Path, bytes]]:
    for place in places:
        for path in Path(place).rglob("*"):
            if path.is_file():
                yield path, path.read_bytes()


def _told(home: Home, text: str = NEEDLE) -> list[str]:
    """Where a text stands in the store, in names and in bytes, as it is or in the letters of base64 or hex."""
    words = [text.encode(), text.encode().hex().encode(), text.encode("utf-16-le")]
    return [
        str(path.relative_to(home.path))
        for path, data in _files(home.path)
        if any(word in data for word in words) or text in str(path.relative_to(home.path))
    ]


def _speaking(home: Home) -> Program:
    """A program that says the needle wherever one can."""
    program = Program(home)
    facts = {"interpreter": NEEDLE}
    program.run = RunInfo(
        program.run.id, f"{NEEDLE}.py", [NEEDLE, "--x"], f"/home/{NEEDLE}", "cd" * 16, "2026-01-01", facts
    )
    return program


def _say_everything(home: Home) -> Program:
    """Commits, files noted and kept, a lineage, and a repair: all that writes into a store."""
    program = _speaking(home)
    changes: dict[str, Any] = {
        "label": f"label {NEEDLE}",
        "location": f"{NEEDLE}.py:3 in f",
        "provenance": {"environ": {"X": NEEDLE}},
        "variables": (model.Variable(NEEDLE, "str", NEEDLE, 3),),
    }
    state = f"the content is {NEEDLE}, ".encode()
    lineage.mark(home)
    lineage.note(home, program.run)
    for step in range(3):
        program.commit([state, state * 40 + bytes([step])], **changes)
    log = filelog.FileLog(home, program.run.id)
    file = Path(home.path).parent / "a file"
    file.write_bytes(state)
    for original in (True, False):
        name, digest = log.keep(str(file), replaced=True, original=original)
        was = model.FileState("file", file.stat().st_size)
        log.touch(model.Touch(f"/{NEEDLE}", "replace", was, name, digest), original=original)
    contents.write(home, program.run.id, {f"/{NEEDLE}": (was, (bytes(32),))})
    program.die()
    with Reader(home) as reader:
        newest = reader.points()[0]
    path = Path(home.path, "packs", newest.pack[:2], newest.pack)
    whole = bytearray(path.read_bytes())
    whole[pack.HEADER_BYTES + record.HEAD_BYTES] ^= 1
    path.write_bytes(whole)
    assert repair.repair(home).lost
    return program


@pytest.mark.parametrize("home", ["plain", "encrypted"], indirect=True)
def test_a_plain_store_tells_the_needle_everywhere_and_an_encrypted_one_nowhere(home: Home) -> None:
    program = _say_everything(home)
    found = {name.partition("/")[0] for name in _told(home)}
    if not home.encrypted:
        assert found >= {"journal.db", "packs", "leases", "quarantine"}
        assert len([name for name in _told(home) if name.startswith("leases")]) == 6
        return
    assert found == set()
    assert not _told(home, program.run.identity), "whoever guesses the arguments finds them by their digest"
    with Reader(home) as reader:
        run = reader.run(program.run.id)
        assert (run.program, run.argv[0], run.facts) == (f"{NEEDLE}.py", NEEDLE, {"interpreter": NEEDLE})
        assert [(point.label, point.location) for point in run.points] == 2 * [
            (f"label {NEEDLE}", f"{NEEDLE}.py:3 in f")
        ]
        assert NEEDLE.encode() in content(home, reader.plan(run.points[0]))[0]
    assert [touch.path for touch in filelog.touches(home, program.run.id)] == [f"/{NEEDLE}"]
    assert list(contents.read(home, program.run.id)) == [f"/{NEEDLE}"]
    assert [run for run, _ in lineage.runs(home, program.run.identity)] == [program.run.id]
    assert any("lost with it" in note for note in quarantine.notes(home, set()))
    checked = verify(home)
    assert not checked.damages and len(checked.sound_points) == 2


def _proofs(home: Home, *folders: str) -> list[tuple[bytes, bytes]]:
    """(salt and tag, encrypted bytes) of every record in every pack there."""
    found = []
    for path, data in _files(*[os.path.join(home.path, folder) for folder in folders]):
        if homes.is_id(path.name):
            at = pack.HEADER_BYTES
            while at + record.HEAD_BYTES < len(data) - pack.FOOTER_BYTES:
                (stored,) = struct.unpack_from("<Q", data, at + 8)
                end = at + record.HEAD_BYTES + stored
                found.append((data[at + 56 : at + 88], data[at + record.HEAD_BYTES : end]))
                at = end
    return found


@encrypted
def test_no_two_messages_ever_have_the_same_salt(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the journal, in packs, in those that children wrote, in packs written anew by repair and by rotation."""
    salts: list[bytes] = []
    encrypt = cipher.Cipher.encrypt

    def noted(self: cipher.Cipher, meaning: bytes, data: bytes) -> tuple[bytes, memoryview]:
        proof, hidden = encrypt(self, meaning, data)
        salts.append(proof[: cipher.SALT_BYTES])
        return proof, hidden

    monkeypatch.setattr(cipher.Cipher, "encrypt", noted)
    program = _say_everything(home)
    again = Program(home, program.run.id, program.parent)
    for _ in range(2):
        assert again.commit_in_child([b"the same content, from processes that are the same"])[1].status == "K"
    again.die()
    before = _proofs(home, "packs", "quarantine")
    done = rekey.rekey(home.path, home)
    after = _proofs(done.home, "packs")
    assert len(salts) > 60 and len(set(salts)) == len(salts)
    stored = set(before) | set(after)  # what a repair copies as it stands is the same message
    assert len(stored) > 20 and len({proof[: cipher.SALT_BYTES] for proof, _ in stored}) == len(stored)
    assert not set(before) & set(after)


@encrypted
def test_a_salt_that_comes_twice_gives_two_records_two_keys(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual machine that is put back repeats its random numbers."""
    monkeypatch.setattr(cipher.disk, "urandom", bytes)
    one, two = bytes(100), bytes([1]) * 100
    stored = []
    for data in (one, two):
        digest = seal.digest(data)
        stored.append(bytes(record.make(home.seal, codec.Encoder(), record.BUFFER, data, digest, 1)[1]))
    mixed = bytes(a ^ b for a, b in zip(*stored, strict=True))
    assert stored[0] != stored[1] and mixed[: len(one)] != bytes(a ^ b for a, b in zip(one, two, strict=True))


def test_what_is_hidden_can_be_read_for_its_own_meaning_only() -> None:
    made = cipher.Cipher(KEY, STORE)
    meaning, data = bytes(range(56)), b"what is hidden" * 9
    proof, view = made.encrypt(meaning, data)
    hidden = bytes(view)
    assert len(hidden) == len(data) and made.decrypt(meaning, proof, hidden) == data

    def refused(by: cipher.Cipher, meaning: bytes, proof: bytes, hidden: bytes) -> None:
        with pytest.raises(errors.IntegrityError):
            by.decrypt(meaning, proof, hidden)

    for place in range(len(meaning)):
        refused(made, _flipped(meaning, place), proof, hidden)
    for place in range(len(proof)):
        refused(made, meaning, _flipped(proof, place), hidden)
    for place in range(len(hidden)):
        refused(made, meaning, proof, _flipped(hidden, place))
    refused(made, meaning, proof, hidden[:-1])
    refused(made, meaning + b"\0", proof, hidden)
    refused(cipher.Cipher(KEY, "cd" * 16), meaning, proof, hidden)
    refused(cipher.Cipher(_flipped(KEY, 7), STORE), meaning, proof, hidden)


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


@pytest.mark.parametrize("field", ["type", "codec", "item size", "length", "id"])
def test_a_record_whose_head_was_changed_by_a_holder_of_the_tag_s_key_is_not_decrypted(field: str) -> None:
    """The tag of the head vouches for all of it; what was encrypted vouches for its head once more."""
    key = seal.Seal(KEY, STORE, encrypted=True)
    data = b"some text " * 50
    head, view = record.make(key, codec.Encoder(), record.OBJECTS, data, seal.digest(data), 1)
    stored = bytes(view)
    assert record.read_payload(key, record.read_head(key, head), stored) == data
    place = {"type": 5, "codec": 6, "item size": 7, "length": 16, "id": 24}[field]
    tagged = bytearray(head[:96])
    tagged[place] ^= 3
    changed = record.read_head(key, bytes(tagged) + key.tag("record", bytes(tagged)))
    with pytest.raises(errors.IntegrityError, match="stand where others belong"):
        record.read_payload(key, changed, stored)


@pytest.mark.parametrize("written", [True, False])
def test_a_record_in_the_clear_is_none_of_an_encrypted_store_nor_the_other_way_round(written: bool) -> None:
    one, other = (seal.Seal(KEY, STORE, encrypted=way) for way in (written, not written))
    data = b"some text " * 50
    head, stored = record.make(one, codec.Encoder(), record.OBJECTS, data, seal.digest(data), 1)
    with pytest.raises(errors.IntegrityError, match="is encrypted where none is, or is not where all are"):
        record.read_payload(other, record.read_head(other, head), bytes(stored))


def test_what_says_that_it_is_encrypted_is_not_read_for_its_checksums() -> None:
    """Nor by `--trust`, whatever digest and CRC it has."""
    key = seal.Seal(KEY, STORE, encrypted=True)
    data = os.urandom(50)
    head, _ = record.make(key, codec.Encoder(), record.OBJECTS, data, seal.digest(data), 1)
    forged = bytearray(head)
    forged[56:88] = seal.digest(data)
    forged[88:92] = struct.pack("<I", zlib.crc32(forged[:88]))
    with pytest.raises(errors.IntegrityError, match="is encrypted"):
        record.unkeyed_payload(record.unkeyed_head(bytes(forged)), data)


@encrypted
def test_nothing_is_compressed_after_it_was_encrypted(home: Home) -> None:
    program = Program(home)
    info, _ = program.write_pack([b"compresses well " * 5000], new_id())
    program.die()
    assert info.bytes_new < 3000


@given(st.text(max_size=300))
@settings(deadline=None)
def test_any_text_comes_back_and_short_ones_look_alike(text: str) -> None:
    key = seal.Seal(KEY, STORE, encrypted=True)
    hidden = key.hide("point", text)
    assert key.show("point", hidden) == text
    assert key.hide("point", text) != hidden
    assert (len(hidden) == len(key.hide("point", ""))) == (len(text.encode("utf-8", "surrogatepass")) < 64)


@pytest.mark.parametrize("text", ["", "\0", "\0\0\x80", "\udcff", "a" * 63, "a" * 64, "\x80\0"])
def test_odd_texts_come_back(text: str) -> None:
    key = seal.Seal(KEY, STORE, encrypted=True)
    assert key.show("run", key.hide("run", text)) == text


@pytest.mark.parametrize("damaged", ["", "not of this alphabet", "AAAA", "ä", "A" * 400])
def test_a_hidden_text_that_is_none_is_damage(damaged: str) -> None:
    with pytest.raises(errors.IntegrityError):
        seal.Seal(KEY, STORE, encrypted=True).show("run", damaged)
    with pytest.raises(errors.IntegrityError):
        seal.Seal(KEY, STORE, encrypted=True).show("run", seal.Seal(KEY, STORE, encrypted=True).hide("point", "x"))


@encrypted
@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_kept_file_is_a_hidden_copy_and_comes_back(home: Home, tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    data = (b"in the clear " * (size // 13 + 1))[:size]
    file.write_bytes(data)
    digest = kept.keep(home, str(file), "x.files.1", replaced=True)
    copy = Path(home.path, "leases", "x.files.1")
    assert copy.stat().st_ino != file.stat().st_ino
    assert b"in the clear" not in copy.read_bytes()
    with open(kept.open_kept(home, "x.files.1", digest), "rb") as stream:
        assert stream.read() == data


@encrypted
@pytest.mark.parametrize("change", ["flipped", "cut", "cut between pieces", "pieces swapped", "another's", "emptied"])
def test_a_kept_copy_that_was_changed_is_not_used(home: Home, tmp_path: Path, change: str) -> None:
    file = tmp_path / "file"
    digests = {}
    for name in ("x.files.1", "x.files.2"):
        file.write_bytes(os.urandom(2 << 20))
        digests[name] = kept.keep(home, str(file), name, replaced=False)
    copy = Path(home.path, "leases", "x.files.1")
    data, half = copy.read_bytes(), (1 << 20) + cipher.PROOF_BYTES
    copy.write_bytes(
        {
            "flipped": _flipped(data, 12345),
            "cut": data[:-1],
            "cut between pieces": data[:half],
            "pieces swapped": data[half:] + data[:half],
            "another's": copy.with_name("x.files.2").read_bytes(),
            "emptied": b"",
        }[change]
    )
    digest = digests["x.files.2" if change == "another's" else "x.files.1"]
    with pytest.raises(errors.IntegrityError):
        os.close(kept.open_kept(home, "x.files.1", digest))


@encrypted
def test_another_key_s_file_is_refused_and_without_any_nothing_is_read(home: Home, tmp_path: Path) -> None:
    _say_everything(home)
    for key in (None, os.urandom(32)):
        wrong = Home(home.path, home.store, key or bytes(32), str(tmp_path / "anchor"), home.identity, True)
        with Reader(wrong) as reader:
            assert not reader.points() and not reader.infos()
        for name in packfile.all_packs(wrong):
            with packfile.PackFile(wrong, name) as file:
                assert file.entries() == {}


@encrypted
def test_what_the_journal_lost_is_put_back_by_a_committer_that_can_decrypt(home: Home) -> None:
    program = _speaking(home)
    for step in range(3):
        program.commit([bytes([step]) * 99], label=f"step {step}")
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        Path(home.path, name).unlink(missing_ok=True)
    assert program.commit_in_child([b"more"])[1].status == "K"
    with Reader(home) as reader:
        assert [point.label for point in reader.points()] == [None, "step 2", "step 1", "step 0"]
        assert reader.run(program.run.id).program == f"{NEEDLE}.py"
    program.die()
    assert not _told(home)


@encrypted
def test_a_committer_that_reads_nothing_hidden_never_imports_what_decrypts(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take longer than the commit."""
    program = _speaking(home)
    assert program.lease is not None
    info, made = program.write_pack([b"state"], new_id())
    receiver, sender = os.pipe()
    begun: list[list[str]] = []

    def noted(path: bytes, argv: list[bytes], env: list[bytes]) -> None:
        begun.append([*map(os.fsdecode, argv)])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_native, "spawn", noted)
        with pytest.raises(KeyboardInterrupt):
            committer.Committer(sender, program.lease.fd, encrypted=True).commit(
                home, *program.rows(made, info), started_ns=time.monotonic_ns(), encode_ms=1.0, keep_last=1
            )
    python, *rest = begun[0]
    fds = [int(fd) for fd in rest[rest.index("-c") + 2].split(",")]
    done = subprocess.run(
        [python, "-X", "importtime", *rest], pass_fds=[*fds, sender, program.lease.fd], capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    os.close(sender)
    assert report.decode(os.read(receiver, report.SIZE)).status == "K"
    os.close(receiver)
    for fd in fds:
        os.close(fd)
    program.die()
    assert "forkpoint.journal.cipher" in done.stderr and "pysqlite3" in done.stderr
    assert "cryptography" not in done.stderr and "binascii" not in done.stderr


def test_a_store_is_encrypted_from_its_making_or_not_at_all(home: Home, tmp_path: Path) -> None:
    before = dict(_files(home.path))
    with pytest.raises(errors.StartFailed, match="is not encrypted") as caught:
        homes.create(home.path, encrypt=True)
    assert "--store" in caught.value.hint and "key rotate --encrypt" in caught.value.hint
    assert dict(_files(home.path)) == before
    made = homes.create(str(tmp_path / "hidden"), encrypt=True)
    assert made.encrypted and homes.create(made.path).encrypted and homes.open_home(made.path).encrypted
    assert b"features: encrypted\n" in Path(made.path, "FORMAT").read_bytes()
    assert homes.is_encrypted(made.path) and not homes.is_encrypted(home.path)
    assert not homes.is_encrypted(str(tmp_path / "nothing"))


@pytest.mark.parametrize("home", ["plain", "encrypted"], indirect=True)
def test_format_cannot_be_made_to_say_the_other_thing(home: Home) -> None:
    path = Path(home.path, "FORMAT")
    said, instead = (b"encrypted", b"") if home.encrypted else (b"features: ", b"features: encrypted")
    path.write_bytes(path.read_bytes().replace(said, instead))
    with pytest.raises(errors.IntegrityError, match="FORMAT"):
        homes.open_home(home.path)


def test_a_feature_of_a_later_version_is_refused_by_name(home: Home) -> None:
    path = Path(home.path, "FORMAT")
    path.write_bytes(path.read_bytes().replace(b"features: ", b"features: folded"))
    with pytest.raises(errors.ForkpointError, match="folded"):
        homes.open_home(home.path)


def _without_cryptography(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` where cryptography cannot be imported, as where it is not installed."""
    missing = tmp_path / "missing" / "cryptography"
    missing.mkdir(parents=True, exist_ok=True)
    (missing / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'cryptography'\")\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(missing.parent), str(ROOT)])}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


def test_without_the_package_no_encrypted_store_is_begun_or_gone_on_with(home: Home, tmp_path: Path) -> None:
    made = homes.create(str(tmp_path / "hidden"), encrypt=True)
    for path in (str(tmp_path / "new"), made.path):
        code = (
            "from forkpoint import errors\nfrom forkpoint.journal import home\n"
            f"try: home.create({path!r}, encrypt={not os.path.exists(path)})\n"
            "except errors.ForkpointError as problem: print(problem, problem.hint)\n"
        )
        done = _without_cryptography(tmp_path, code)
        assert "cryptography" in done.stdout and "forkpoint[encrypt]" in done.stdout, done.stderr
    assert not (tmp_path / "new").exists()
    done = _without_cryptography(tmp_path, f"from forkpoint.journal import home\nhome.create({home.path!r})")
    assert done.returncode == 0, done.stderr


def test_the_key_of_what_is_hidden_is_neither_printed_nor_pickled(home: Home) -> None:
    made = cipher.Cipher(KEY, STORE)
    assert made._key.hex() not in repr(made) and made._key != KEY
    with pytest.raises(TypeError):
        made.__reduce__()


@encrypted
def test_chunks_are_told_apart_by_keyed_ids_and_stored_once(home: Home) -> None:
    """Equal chunks have one id in this store, which says nothing to whoever has another key."""
    program = Program(home)
    shared = os.urandom(5000)
    program.commit([shared])
    program.commit([shared, b"more"])
    program.die()
    with Reader(home) as reader:
        newest, first = reader.points()
        assert first.pack in newest.packs
    digest = seal.digest(shared)
    assert seal.Seal(KEY, home.store).chunk_id(digest) != home.seal.chunk_id(digest)
    assert not any(digest in data or digest.hex().encode() in data for _, data in _files(home.path))
