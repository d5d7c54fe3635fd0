"""The read verbs: published field names, exit statuses, and text that says the same as JSON."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_said import Verb
from journal_program import ROOT, Program

from forkpoint import model
from forkpoint.journal.home import Home

POINT = {
    "id", "seq", "label", "created_at", "trigger", "durable", "complete", "location", "bytes_new", "bytes_total",
    "stop_ms", "commit_ms",
}  # fmt: skip
RUN = {"id", "program", "argv", "cwd", "state", "exit", "points"}
SHOWN = POINT | {
    "stdout_bytes", "split_ms", "variables", "tombstones", "refusals", "files", "packs", "provenance",
}  # fmt: skip


def test_log_publishes_its_field_names(program: Program, verb: Verb) -> None:
    program.commit([b"a" * 100], label="first")
    program.commit([b"b" * 100])
    value = verb("log", "--json").value
    assert value["schema"] == 1
    (run,) = value["runs"]
    assert set(run) >= RUN
    assert run["state"] == "running"
    assert [point["seq"] for point in run["points"]] == [2, 1]
    assert set(run["points"][0]) >= POINT
    assert run["points"][1]["label"] == "first"


def test_log_of_an_empty_store_is_an_empty_list(home: Home, verb: Verb) -> None:
    assert verb("log", "--json").value["runs"] == []
    assert verb("log").out == "no runs yet\n"


def test_log_text_names_every_point(program: Program, verb: Verb) -> None:
    point = program.commit([b"a"], label="after epoch 3")
    said = verb("log")
    assert said.status == 0
    assert point[:8] in said.out
    assert "after epoch 3" in said.out
    assert "train.py:42 in main" in said.out
    assert "train.py --fast" in said.out


def test_log_of_one_run_by_its_prefix(home: Home, verb: Verb) -> None:
    first, second = Program(home), Program(home)
    first.commit([b"a"])
    second.commit([b"b"])
    (run,) = verb("log", first.run.id[:6], "--json").value["runs"]
    assert run["id"] == first.run.id
    assert verb("log", "zzzz").status == 14
    first.die(), second.die()


def test_show_publishes_its_field_names(program: Program, verb: Verb) -> None:
    program.commit(
        [b"a"],
        stdout_bytes=17,
        complete=False,
        tombstones=(model.Tombstone("trainer.loader._socket", "socket.socket", "a connection cannot be saved"),),
        refusals=(model.Refusal("sort key", "train.py:7 in score", 3),),
    )
    value = verb("show", "--json").value
    assert set(value) >= SHOWN | {"schema"}
    assert value["stdout_bytes"] == 17
    assert set(value["split_ms"]) == {"wait", "capture", "stage", "fork"}
    assert value["variables"] == [{"name": "x", "type": "list", "summary": "3 items", "bytes": 10}]
    assert value["tombstones"][0]["path"] == "trainer.loader._socket"
    assert value["refusals"] == [{"reason": "sort key", "location": "train.py:7 in score", "count": 3}]
    assert all((Path(".forkpoint") / pack).is_file() for pack in value["packs"])
    text = verb("show", "latest").out
    assert "INCOMPLETE" in text
    assert "a connection cannot be saved" in text
    assert "sort key, at train.py:7 in score (3 times)" in text
    assert "wait 0.00, capture 0.50, stage 0.00, fork 1.50" in text


def test_show_says_where_commits_happen_how_long_ago_and_what_to_do(program: Program, verb: Verb) -> None:
    for _ in range(2):
        program.commit([b"a"], refusals=(model.Refusal("the thread Thread-1 is alive", "train.py:7 in score", 3),))
    value = verb("show", "--json").value
    assert value["commits_at"] == [{"location": "train.py:42 in main", "count": 2}]
    assert isinstance(value["newest_seconds_ago"], float)
    text = verb("show").out
    assert "commits     of this run happen at train.py:42 in main (2 times); the newest was" in text
    assert "--ignore-threads" in text and "--ignore-threads" in value["advice"]["the thread Thread-1 is alive"]


@pytest.mark.parametrize("reference", ["latest", "latest~1", "first"])
def test_show_takes_every_kind_of_reference(program: Program, verb: Verb, reference: str) -> None:
    first = program.commit([b"a"], label="first")
    second = program.commit([b"b"])
    value = verb("show", reference, "--json").value
    assert value["id"] == (second if reference == "latest" else first)


def test_show_keeps_the_hash_secret_to_itself(program: Program, verb: Verb) -> None:
    program.commit([b"a"], provenance={"start": {"hash_secret": "c0ffee", "python": [3, 11, 7]}})
    said = verb("show", "--json")
    assert "c0ffee" not in said.out
    assert said.value["provenance"]["start"]["python"] == [3, 11, 7]


def test_an_unknown_reference_is_14_with_candidates(program: Program, verb: Verb) -> None:
    point = program.commit([b"a"])
    said = verb("show", "nothing-like-this")
    assert said.status == 14
    assert point[:8] in said.err
    assert all(line.startswith("forkpoint: ") for line in said.err.splitlines())


def test_no_store_is_10_with_what_to_do(tmp_path: Path, verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = verb("log", "--store", "nowhere")
    assert said.status == 10
    assert "forkpoint run" in said.err
    assert not (tmp_path / "nowhere").exists()


def test_a_store_without_its_key_is_12(program: Program, verb: Verb, tmp_path: Path) -> None:
    program.commit([b"a"])
    program.die()
    shutil.rmtree(tmp_path / "config")
    for name in ("log", "show", "verify"):
        assert verb(name).status == 12


def test_a_key_travels_by_export_and_import(
    program: Program, verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.commit([b"a"])
    program.die()
    assert verb("key", "export", "the.key").status == 0
    assert os.stat("the.key").st_mode & 0o777 == 0o600
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    assert verb("show").status == 12
    assert verb("key", "import", "the.key").status == 0
    assert verb("show").status == 0


def test_verify_of_a_sound_store_is_0(program: Program, verb: Verb) -> None:
    program.commit([b"a" * 1000])
    said = verb("verify", "--json")
    assert said.status == 0
    assert said.value["ok"]
    assert [point["sound"] for point in said.value["points"]] == [True]
    assert "1 of 1 restore points are sound" in verb("verify").out


def test_verify_of_a_flipped_byte_is_13_and_names_the_point(program: Program, verb: Verb) -> None:
    sound = program.commit([b"a" * 1000])
    hurt = program.commit([b"b" * 1000])
    pack = Path(".forkpoint") / verb("show", hurt, "--json").value["packs"][-1]
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    said = verb("verify", "--json")
    assert said.status == 13
    assert {point["id"]: point["sound"] for point in said.value["points"]} == {sound: True, hurt: False}
    assert hurt[:8] in verb("verify").out


def test_repair_puts_the_damaged_aside_and_says_whose_bytes_are_lost(program: Program, verb: Verb) -> None:
    kept = program.commit([b"a" * 300], saved=(model.Saved("model (in main)", "buffer/0", 0),))
    lost = program.commit([os.urandom(300)], saved=(model.Saved("model (in main)", "buffer/0", 0),))
    program.die()
    (name,) = verb("show", lost, "--json").value["packs"]
    pack = Path(".forkpoint", name)
    data = bytearray(pack.read_bytes())
    data[80 + 128] ^= 1
    pack.write_bytes(data)
    assert "model (in main)" in verb("verify").out
    would = verb("repair", "--dry-run")
    assert would.status == 3 and "would be put aside" in would.out and pack.read_bytes() == data
    value = verb("repair", "--json").value
    assert value["points"] == [kept] and value["rewritten"] == [pack.name]
    assert value["lost"] == [{"id": lost, "ref": f"{program.run.id[:8]}@2", "variables": ["model (in main)"]}]
    assert Path(".forkpoint", value["quarantine"], pack.name).read_bytes() == data
    again = verb("verify")
    assert again.status == 0 and "@2" in again.out
    assert verb("repair").out == "nothing is damaged\n"


def test_the_verbs_that_read_never_load_what_could_unpickle(program: Program) -> None:
    program.commit([b"a" * 300])
    code = (
        "import sys\n"
        "from forkpoint.cli.app import main\n"
        "assert [main(verb.split()) for verb in ('log', 'show latest', 'verify')] == [0, 0, 0]\n"
        "print(*(name for name in sys.modules if name.startswith('forkpoint.encode') or name.endswith('pickle')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_forget_keeps_the_last_and_frees_the_rest(program: Program, verb: Verb) -> None:
    for number in range(4):
        program.commit([os.urandom(1000)], label="kept" if number == 0 else None)
    program.die()
    dry = verb("forget", "--keep-last", "1", "--keep-labelled", "--dry-run", "--json").value
    assert len(dry["points"]) == 2
    assert len(verb("log", "--json").value["runs"][0]["points"]) == 4
    assert verb("forget", "--keep-last", "1", "--keep-labelled").status == 0
    assert [point["seq"] for point in verb("log", "--json").value["runs"][0]["points"]] == [4, 1]
    assert verb("forget", "--keep-last", "1", "--json").value["bytes_freed"] > 0
    assert verb("verify").status == 0


def test_forget_within_a_duration_keeps_the_young(program: Program, verb: Verb) -> None:
    for _ in range(3):
        program.commit([b"a"], created_at="2999-01-01T00:00:00+00:00")
    program.die()
    assert verb("forget", "--keep-within", "2h", "--json").value["points"] == []
    assert verb("forget", "--keep-within", "soon").status == 2


def test_doctor_publishes_checks(home: Home, verb: Verb) -> None:
    value = verb("doctor", "--json").value
    checks = {check["name"]: check for check in value["checks"]}
    assert {"python", "native", "clone3", "page_tracking", "seccomp", "sqlite", "filesystem", "memory"} <= set(checks)
    assert all(set(check) == {"name", "status", "value", "meaning", "advice"} for check in checks.values())
    assert all(check["advice"] for check in checks.values() if check["status"] != "ok")
    assert checks["sqlite"]["status"] == "ok"


def test_colour_changes_no_character(program: Program, verb: Verb) -> None:
    pytest.importorskip("rich")
    from forkpoint.cli.outcome import Outcome
    from forkpoint.cli.reporters import colour

    program.commit([b"a"], label="with [brackets] :smile:", complete=False)
    stream = io.StringIO()
    colour.write(Outcome("log", verb("log", "--json").value), stream)
    assert stream.getvalue() == verb("log").out
