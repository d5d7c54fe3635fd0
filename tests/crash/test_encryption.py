"""`run --encrypt`: a program's store tells nothing of what the program holds, and restores it exactly with its key."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from harness import Bench, Program, Ran

SAYING = """
    import array, os, random, sys
    import forkpoint
    noise = random.Random(1).randbytes
    q7name_variable = 1
    numbers = array.array("B", noise(90000) + b"q7array" + noise(90000))
    things = {"a": [noise(3000) + b"q7object" + noise(3000)], "b": "q7text" * 3}
    os.environ["Q7_SET"] = "q7environment"
    os.mkdir("q7folder")
    for step in range(6):
        with open("q7folder/q7path.bin", "wb") as file:
            file.write(noise(2000) + b"q7content" + noise(2000) + bytes([step]))
        with open(f"q7folder/q7later {step}.txt", "w") as file:
            file.write(f"q7later {step} " + noise(300).hex())
        if step == 2:
            open("overwritten.bin", "wb").close()
            os.remove("removed.bin")
        point = forkpoint.checkpoint(f"q7label {step}", wait=True)
        things[step] = (point.durable, numbers[step], noise(4).hex())
        print(step, things[step], flush=True)
    print(sys.argv, os.environ["Q7_SET"], bytes(numbers)[90000:90007], q7name_variable, flush=True)
"""
WORDS = (
    "name", "array", "object", "text", "environment", "inherited", "path", "content", "later", "label", "argument",
    "overwritten", "removed",
)  # fmt: skip
FRAME = b"\x28\xb5\x2f\xfd"


def found(store: Path) -> dict[str, set[str]]:
    """Which words are in which files: in their bytes, and in what zstd makes of any frame in them."""
    told: dict[str, set[str]] = {}
    for path in store.rglob("*"):
        if path.is_file():
            data = path.read_bytes() + str(path.relative_to(store)).encode()
            for text in (data, *_unpacked(data)):
                for word in re.findall(rb"q7(%s)" % b"|".join(w.encode() for w in WORDS), text):
                    told.setdefault(word.decode(), set()).add(str(path.relative_to(store)).partition("/")[0])
    return told


def _unpacked(data: bytes) -> Iterator[bytes]:
    at = data.find(FRAME)
    while at >= 0:
        try:
            yield zstandard.ZstdDecompressor().decompressobj().decompress(data[at:])
        except zstandard.ZstdError:
            pass
        at = data.find(FRAME, at + 1)


@pytest.fixture
def saying(make) -> Bench:
    here = make(SAYING)
    here.program = Program("program", ("program.py", "--q7argument", "x"), here.program.directory)
    here.env["Q7_INHERITED"] = "q7inherited"
    for name in ("overwritten", "removed"):
        (here.program.directory / f"{name}.bin").write_bytes(os.urandom(2000) + f"q7{name}".encode())
    here.fresh()
    return here


def in_order(bench: Bench) -> Ran:
    """The uninterrupted run, whose files are out of the way afterwards."""
    oracle = bench.oracle({"FORKPOINT_DISABLE": ""})
    assert oracle.status == 0, oracle.err.decode()[-2000:]
    bench.fresh()
    shutil.rmtree(bench.work / ".forkpoint", ignore_errors=True)
    return oracle


def killed(bench: Bench, *options: str, fault: str = "program.durable:kill:4") -> Ran:
    ran = bench.run(*options, env={"FORKPOINT_FAULT": fault})
    assert ran.status == -signal.SIGKILL, ran.err.decode()[-2000:]
    return ran


@pytest.mark.parametrize("options", [(), ("--encrypt",)], ids=["plain", "encrypted"])
def test_what_the_program_says_is_in_a_plain_store_and_nowhere_in_an_encrypted_one(options, saying):
    oracle = in_order(saying)
    before = killed(saying, *options)
    after_kill = found(saying.store)
    restored = saying.restore()
    assert (restored.status, before.out + restored.out) == (0, oracle.out), restored.err.decode()[-2000:]
    assert restored.files == oracle.files
    if options:
        assert (after_kill, found(saying.store)) == ({}, {})
    else:
        assert set(after_kill) == set(WORDS)
        assert after_kill["array"] == {"packs"} and "journal.db-wal" in after_kill["argument"]
        assert after_kill["overwritten"] == after_kill["removed"] == {"leases"} and "leases" in after_kill["later"]


@pytest.mark.parametrize("options", [(), ("--encrypt",)], ids=["plain", "encrypted"])
def test_what_a_child_had_written_when_it_died_tells_nothing_either(options, saying):
    saying.run(*options, env={"FORKPOINT_FAULT": "pack.written:kill:1"})
    assert list((saying.store / "tmp").iterdir())
    told = found(saying.store)
    assert told == {} if options else "tmp" in told["array"]


def test_a_store_that_is_encrypted_needs_no_option_afterwards_and_one_that_is_not_stays_so(saying):
    killed(saying, "--encrypt")
    again = saying.run()
    assert again.status == 0, again.err.decode()
    assert found(saying.store) == {}
    saying.fresh()
    killed(saying)
    told = found(saying.store)
    for how in ({"options": ("--encrypt",)}, {"env": {"FORKPOINT_ENCRYPT": "1"}}):
        refused = saying.run(*how.get("options", ()), env=how.get("env"))
        assert (refused.status, refused.out) == (125, b"")
        assert b"is not encrypted" in refused.err and b"key rotate --encrypt" in refused.err
        assert found(saying.store) == told


def test_it_is_said_once_that_a_lost_key_loses_everything(saying):
    first = killed(saying, "--encrypt")
    assert first.err.count(b"without its key") == 1 and b"key export" in first.err
    assert b"without its key" not in saying.run("--encrypt", "--resume", "never").err


@pytest.mark.parametrize("how", ["environment", "start", "project"])
def test_the_other_ways_to_ask_for_it(how, make):
    here = make(
        f"""
        import forkpoint
        forkpoint.start(**{{"encrypt": True}} if {how == "start"} else {{}})
        secret = "q7text" * 3
        assert forkpoint.checkpoint("q7label", wait=True).durable
        """
    )
    if how == "project":
        (here.work / "pyproject.toml").write_text("[tool.forkpoint]\nencrypt = true\n")
    env = {"FORKPOINT_STORE": str(here.store)} | ({"FORKPOINT_ENCRYPT": "yes"} if how == "environment" else {})
    ran = here.call(["program.py"], env)
    assert ran.status == 0, ran.err.decode()
    assert found(here.store) == {} and b"features: encrypted" in (here.store / "FORMAT").read_bytes()
    loaded = here.call(
        ["-c", f"import forkpoint; print(forkpoint.load('latest', 'secret', store={str(here.store)!r}))"]
    )
    assert loaded.out == b"q7textq7textq7text\n", loaded.err.decode()


def test_elsewhere_it_restores_with_the_key_and_is_refused_without(saying, tmp_path):
    oracle = in_order(saying)
    before = killed(saying, "--encrypt")
    exported = tmp_path / "exported.key"
    assert saying.ask("key", "export", str(exported)).status == 0
    moved = tmp_path / "elsewhere" / "copied"
    shutil.copytree(saying.store, moved)
    shutil.rmtree(saying.store)
    saying.store = moved
    saying.env["XDG_CONFIG_HOME"] = str(tmp_path / "another user")
    wrong = tmp_path / "wrong.key"
    wrong.write_text(f"forkpoint-key-1 {'7' * 64}\n")
    for env, words in (({}, ()), ({"FORKPOINT_KEY_FILE": str(wrong)}, ()), ({}, ("--trust",))):
        refused = saying.restore(*words, env=env)
        assert (refused.status, refused.out) == (12, b""), refused.err.decode()
        assert b"key import" in refused.err or b"another store's key" in refused.err
        assert words == () or b"is encrypted" in refused.err
        for verb in ("log", "verify", "repair"):
            assert saying.ask(verb, env=env).status == 12
    assert saying.ask("key", "import", str(exported)).status == 0
    restored = saying.restore()
    assert (restored.status, before.out + restored.out) == (0, oracle.out), restored.err.decode()[-2000:]
    assert restored.files == oracle.files


@pytest.mark.parametrize("place", [0.1, 0.5, 0.95])
def test_a_flipped_bit_in_the_newest_point_is_found_and_falls_back_to_the_one_before(place, saying):
    oracle = in_order(saying)
    before = killed(saying, "--encrypt")
    earlier = saying.json("show", "latest~1")
    packs = [saying.store / name for name in saying.json("show", "latest")["packs"]]
    pack = max(packs, key=lambda path: path.stat().st_mtime_ns)
    data = bytearray(pack.read_bytes())
    data[int(len(data) * place)] ^= 1
    pack.write_bytes(data)
    assert saying.ask("verify").status == 13
    restored = saying.restore()
    assert restored.status == 0, restored.err.decode()[-2000:]
    assert before.out[: earlier["stdout_bytes"]] + restored.out == oracle.out


STEPS = ("rekey.copied", "rekey.journal-removed", "rekey.installed", "rekey.entered")


@pytest.mark.parametrize("encrypted", [True, False], ids=["rotated", "encrypted now"])
@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_that_is_killed_on_the_way_is_done_again_and_the_store_restores(step, encrypted, saying):
    """An encrypted store is put under another key; a plain one is encrypted, of which nothing is left in the clear."""
    oracle = in_order(saying)
    before = killed(saying, *["--encrypt"] * encrypted)
    points = [point["id"] for point in saying.json("log")["runs"][0]["points"]]
    rotate = ("key", "rotate", *["--encrypt"] * (not encrypted))
    dead = saying.ask(*rotate, env={"FORKPOINT_FAULT": f"{step}:kill"})
    assert dead.status == -signal.SIGKILL, dead.err.decode()
    assert [point["id"] for point in saying.json("log")["runs"][0]["points"]] == points
    done = saying.ask(*rotate)
    assert done.status == 0, done.err.decode()
    assert found(saying.store) == {}
    assert saying.json("verify")["ok"]
    restored = saying.restore("--force")
    assert (restored.status, before.out + restored.out) == (0, oracle.out), restored.err.decode()[-2000:]


def test_files_that_are_in_the_way_of_a_restore_go_beside_the_store(saying):
    before = killed(saying, "--encrypt")
    with open(saying.work / "q7folder" / "q7path.bin", "ab") as file:
        file.write(b"q7later added after the point")
    restored = saying.restore()
    assert restored.status == 0 and before.out, restored.err.decode()[-2000:]
    beside = Path(f"{saying.store}.aside")
    kept = [path for path in beside.rglob("q7path.bin*") if path.is_file()]
    assert len(kept) == 1 and kept[0].read_bytes().endswith(b"q7later added after the point")
    assert stat.S_IMODE(beside.stat().st_mode) == 0o700 and (beside / ".gitignore").read_text() == "*\n"
    assert found(saying.store) == {} and not (saying.store / "aside").exists()


def test_a_dry_run_leaves_nothing_and_writes_nothing_in_the_clear(saying, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    ran = saying.run("--dry-run", "--encrypt", env={"TMPDIR": str(scratch), "FORKPOINT_FAULT": "pack.written:kill"})
    assert ran.status == 1 and list(scratch.iterdir()) == []
    saying.fresh()
    ran = saying.run("--dry-run", "--encrypt", env={"TMPDIR": str(scratch)})
    assert ran.status == 0 and b"everything would be saved" in ran.err, ran.err.decode()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("existing", [False, True])
def test_what_a_dry_run_writes_meanwhile_is_encrypted_where_the_run_s_own_store_would_be(existing, saying, tmp_path):
    if existing:
        killed(saying, "--encrypt")
        shutil.rmtree(saying.work)
        shutil.copytree(saying.program.directory, saying.work)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = {"TMPDIR": str(scratch), "FORKPOINT_FAULT": "pack.written:sleep=60"}
    started = saying.start(
        saying.run_argv("--dry-run", *["--encrypt"] * (not existing)), env, tmp_path / "said", saying.work
    )
    try:
        until = time.monotonic() + 60
        while not [path for path in scratch.rglob("tmp/*") if path.stat().st_size > 180_000]:
            assert time.monotonic() < until and not started.wait(0.05), started.ran().err
        assert found(scratch) == {}
    finally:
        started.kill()


@pytest.mark.parametrize("options", [(), ("--encrypt",)], ids=["plain", "encrypted"])
def test_what_encrypts_is_there_before_the_program_s_first_line_or_never(options, make):
    """A child that had to import it would pay for that each time, and ask locks of threads that it does not have."""
    here = make("import sys; print([name for name in sys.modules if name.startswith('cryptography')] != [])")
    assert here.run(*options).out == b"%r\n" % bool(options)


def without_cryptography(bench: Bench, folder: Path) -> dict[str, str]:
    """An environment in which cryptography cannot be imported, as where it is not installed; any try is noted."""
    missing = folder / "missing" / "cryptography"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text(
        f"open({str(folder / 'tried')!r}, 'a').write('x')\n"
        "raise ModuleNotFoundError(\"No module named 'cryptography'\")\n"
    )
    paths = [str(missing.parent), bench.env.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def test_without_the_package_it_is_refused_before_anything_is_made(saying, tmp_path):
    refused = saying.run("--encrypt", env=without_cryptography(saying, tmp_path))
    assert (refused.status, refused.out) == (125, b"")
    assert b"forkpoint[encrypt]" in refused.err and not saying.store.exists()


def test_without_the_package_an_encrypted_store_says_what_to_install(saying, tmp_path):
    killed(saying, "--encrypt")
    env = without_cryptography(saying, tmp_path)
    for words in (("log",), ("verify",), ("restore",)):
        refused = saying.ask(*words, env=env)
        assert refused.status == 1 and b"forkpoint[encrypt]" in refused.err, (words, refused.err.decode())
    assert saying.ask("key", "export", str(tmp_path / "key"), env=env).status == 0


def test_a_store_that_is_not_encrypted_never_asks_for_the_package(saying, tmp_path):
    """Neither the program, nor its children, nor committers, nor what restores and reads the store."""
    env = without_cryptography(saying, tmp_path)
    oracle = in_order(saying)
    before = saying.run(env=env | {"FORKPOINT_FAULT": "program.durable:kill:4"})
    for verb in ("log", "verify", "repair", "forget"):
        assert saying.ask(verb, env=env).status == 0
    restored = saying.restore(env=env)
    assert (restored.status, before.out + restored.out) == (0, oracle.out), restored.err.decode()[-2000:]
    assert not (tmp_path / "tried").exists()


def test_a_program_that_uses_the_package_itself_comes_back_whole(make):
    here = make(
        """
        import os
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        import forkpoint
        key = bytes(32)
        for step in range(3):
            sealed = AESGCM(key).encrypt(bytes(12), b"step %d" % step, None)
            point = forkpoint.checkpoint(wait=True)
            if step == 1 and not point.restored:
                os.kill(os.getpid(), 9)
            print(AESGCM(key).decrypt(bytes(12), sealed, None), flush=True)
        """
    )
    for options in ((), ("--encrypt",)):
        here.fresh()
        before = here.run(*options)
        assert before.status == -signal.SIGKILL and all(
            point["complete"] for point in here.json("log")["runs"][0]["points"]
        ), before.err.decode()
        restored = here.restore()
        assert before.out + restored.out == b"b'step 0'\nb'step 1'\nb'step 2'\n", restored.err.decode()


def test_doctor_says_whether_stores_can_be_encrypted(saying):
    checks = json.loads(saying.ask("doctor", "--json").out)["checks"]
    assert next(check for check in checks if check["name"] == "encryption")["value"].startswith("cryptography ")
