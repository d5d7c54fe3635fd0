"""The store travels and gets hurt: copied elsewhere, sources gone, one byte flipped, no key, the wrong key."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from catalogue import pointed
from harness import Bench, Ran

PROGRAMS = {p.name: p for p in pointed()}


def killed(bench: Bench, n: int) -> Ran:
    """Run and die after the n-th commit; a process that comes back to an earlier one is not killed again."""
    ran = bench.run(env={"FORKPOINT_FAULT": f"program.durable:kill:{n}"})
    assert ran.status == -signal.SIGKILL, ran.err.decode()[-2000:]
    return ran


@pytest.mark.parametrize("name", ["tracebacks", "classes", "shop", "dataclasses_enums"])
def test_a_copied_store_restores_after_the_sources_are_deleted(name, bench, tmp_path):
    here = bench(PROGRAMS[name])
    oracle = here.oracle()
    before = killed(here, 4)
    moved = tmp_path / "elsewhere" / "copied"
    shutil.copytree(here.store, moved)
    shutil.rmtree(here.store)
    for source in here.work.rglob("*.py"):
        source.unlink()
    shutil.rmtree(here.work / "__pycache__", ignore_errors=True)
    here.store = moved
    if name == "shop":  # imports its last module after the last point: that one file must be there
        (here.work / "shop" / "pricing" / "late.py").write_bytes(
            (PROGRAMS[name].directory / "shop/pricing/late.py").read_bytes()
        )
    restored = here.restore()
    assert restored.status == oracle.status, restored.err.decode()[-2000:]
    assert before.out + restored.out == oracle.out


def test_a_copied_store_restores_in_another_directory_when_the_old_one_is_gone(bench, tmp_path):
    here = bench(PROGRAMS["closures"])
    oracle = here.oracle()
    before = killed(here, 3)
    shutil.rmtree(here.work)
    there = tmp_path / "there"
    there.mkdir()
    restored = here.call(here.restore_argv("--cwd", str(there)), cwd=there)
    assert (restored.status, before.out + restored.out) == (oracle.status, oracle.out), restored.err.decode()[-2000:]


def newest_pack(bench: Bench) -> Path:
    """The pack that the newest restore point wrote."""
    packs = [bench.store / name for name in bench.json("show", "latest")["packs"]]
    return max(packs, key=lambda p: (p.stat().st_mtime_ns, p.name))


@pytest.mark.parametrize("place", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_one_flipped_byte_in_the_newest_point_falls_back_to_the_one_before(place, bench):
    here = bench(PROGRAMS["generators"])
    oracle = here.oracle()
    before = killed(here, 4)
    newest = here.json("show", "latest")
    earlier = here.json("show", "latest~1")
    pack = newest_pack(here)
    data = bytearray(pack.read_bytes())
    at = min(int(len(data) * place), len(data) - 1)
    data[at] ^= 0x10
    os.chmod(pack, 0o600)
    pack.write_bytes(data)
    checked = here.ask("verify")
    assert checked.status == 13, (checked.status, checked.out, checked.err)
    restored = here.restore()
    assert restored.status == oracle.status, restored.err.decode()[-2000:]
    assert before.out[: earlier["stdout_bytes"]] + restored.out == oracle.out
    assert newest["id"][:4].encode() in restored.err, f"the damaged point is not named: {restored.err.decode()}"


def test_after_a_repair_every_point_that_is_whole_restores(bench, tmp_path):
    """The newest pack flipped and the journal gone: what is left of each restores, to the end, as if never killed."""
    here = bench(PROGRAMS["generators"])
    oracle = here.oracle()
    before = killed(here, 4)
    points = here.json("log")["runs"][0]["points"]
    stdout = {point["id"]: here.json("show", point["id"])["stdout_bytes"] for point in points}
    pack = newest_pack(here)
    data = bytearray(pack.read_bytes())
    data[len(data) // 3] ^= 0x10
    pack.write_bytes(data)
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        (here.store / name).unlink(missing_ok=True)
    told = here.json("verify", damaged=13)["damages"]
    assert any(points[0]["id"] in damage["points"] and damage["variables"] for damage in told), told
    assert [lost["id"] for lost in here.json("repair", damaged=3)["lost"]] == [points[0]["id"]]
    checked = here.json("verify")
    assert checked["ok"] and any("lost" in note for note in checked["notes"])
    assert [point["seq"] for point in here.json("log")["runs"][0]["points"]] == [3, 2, 1]
    repaired = here.store
    for point in points[1:]:
        here.store = tmp_path / point["id"]  # a program that goes on forgets its older points
        shutil.copytree(repaired, here.store)
        restored = here.restore(point["id"])
        assert restored.status == oracle.status, restored.err.decode()[-2000:]
        assert before.out[: stdout[point["id"]]] + restored.out == oracle.out


def test_when_every_point_is_damaged_restore_exits_13_and_runs_nothing(bench):
    here = bench(PROGRAMS["closures"])
    killed(here, 2)
    for pack in here.store.rglob("*"):
        if pack.is_file() and pack.stat().st_size > 200 and "pack" in str(pack.relative_to(here.store)):
            data = bytearray(pack.read_bytes())
            for at in range(64, len(data), 64):
                data[at] ^= 0xFF
            os.chmod(pack, 0o600)
            pack.write_bytes(data)
    restored = here.restore()
    assert (restored.status, restored.out) == (13, b""), restored.err.decode()[-2000:]


def test_without_the_key_nothing_is_loaded(bench, tmp_path):
    here = bench(PROGRAMS["closures"])
    killed(here, 2)
    here.env["XDG_CONFIG_HOME"] = str(tmp_path / "nothing-here")
    restored = here.restore()
    assert (restored.status, restored.out) == (12, b""), restored.err.decode()[-2000:]
    assert here.ask("verify").status == 12


def test_with_another_key_nothing_is_loaded_and_with_the_exported_one_it_restores(bench, tmp_path):
    here = bench(PROGRAMS["closures"])
    oracle = here.oracle()
    before = killed(here, 2)
    exported = tmp_path / "exported.key"
    assert here.ask("key", "export", str(exported)).status == 0
    wrong = tmp_path / "wrong.key"
    text = exported.read_bytes()
    wrong.write_bytes(text[:-9] + bytes(c ^ 1 if chr(c).isalnum() else c for c in text[-9:]))
    os.chmod(wrong, 0o600)
    here.env["XDG_CONFIG_HOME"] = str(tmp_path / "nothing-here")
    refused = here.restore(env={"FORKPOINT_KEY_FILE": str(wrong)})
    assert (refused.status, refused.out) == (12, b""), refused.err.decode()[-2000:]
    restored = here.restore(env={"FORKPOINT_KEY_FILE": str(exported)})
    assert (restored.status, before.out + restored.out) == (oracle.status, oracle.out), restored.err.decode()[-2000:]


def test_verify_of_a_sound_store_is_0_and_deep_loads_it(bench):
    here = bench(PROGRAMS["dataclasses_enums"])
    killed(here, 3)
    assert here.ask("verify").status == 0
    deep = here.ask("verify", "--deep")
    assert deep.status == 0, deep.err.decode()[-2000:]
