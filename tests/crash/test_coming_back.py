"""`run` continues the run that died, and only that one: what ended otherwise or has changed starts anew, by name."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import tempfile
import textwrap
from pathlib import Path

import pytest
from harness import Bench, Program

LOOP = """
    import os, sys
    import forkpoint

    def dies(i):
        how = os.path.exists("die") and open("die").read()
        if how == f"kill {i}":
            os.kill(os.getpid(), 9)
        if how == f"raise {i}":
            raise ValueError("on purpose")
        if how == f"exit {i}":
            sys.exit(3)
        if how == f"interrupt {i}":
            raise KeyboardInterrupt

    for i in range(4):
        forkpoint.checkpoint(wait=True)
        dies(i)
        print("step", i, flush=True)
"""
ALL = b"step 0\nstep 1\nstep 2\nstep 3\n"
REST = b"step 2\nstep 3\n"


@pytest.fixture
def here(tmp_path, python):
    source = tmp_path / "source"
    source.mkdir()
    (source / "program.py").write_text(textwrap.dedent(LOOP))
    return Bench(Program("program", ("program.py",), source), tmp_path / "bench", python)


def died(here, how="kill 2", *options):
    (here.work / "die").write_text(how)
    ran = here.run(*options)
    (here.work / "die").unlink()
    assert ran.out == b"step 0\nstep 1\n", ran.err.decode()[-2000:]
    return ran


def test_a_killed_run_goes_on_and_says_from_where(here):
    died(here)
    run = here.json("log")["runs"][0]
    resumed = here.run()
    assert (resumed.status, resumed.out) == (0, REST), resumed.err.decode()[-2000:]
    assert f"{run['id'][:8]}@3".encode() in resumed.err and b"program.py:" in resumed.err
    assert [r["id"] for r in here.json("log")["runs"]] == [run["id"]], "the same run went on"
    assert here.run().out == ALL, "a finished run is never resumed"


@pytest.mark.parametrize("how", ["raise 2", "exit 2", "interrupt 2"])
def test_what_ended_by_itself_starts_anew_with_the_command_that_would_go_on(here, how):
    died(here, how)
    run = here.json("log")["runs"][0]["id"]
    anew = here.run()
    assert (anew.status, anew.out) == (0, ALL), anew.err.decode()[-2000:]
    assert f"forkpoint restore {run[:8]} --store {here.store}".encode() in anew.err
    assert here.restore(run[:8]).out == REST, "the command that was printed works"


def test_always_goes_on_after_an_exception_and_after_a_change(here):
    died(here, "raise 2")
    (here.work / "die").write_text("kill 3")
    resumed = here.run("--resume", "always")
    (here.work / "die").unlink()
    assert resumed.out == b"step 2\n", resumed.err.decode()[-2000:]
    (here.work / "program.py").write_text("print('another')\n")
    resumed = here.run("--resume", "always")
    assert resumed.out == b"step 3\n" and b"program.py has changed" in resumed.err, resumed.err.decode()[-2000:]


def test_never_starts_anew_beside_a_run_that_could_go_on(here):
    died(here)
    assert here.run("--resume", "never").out == ALL


def test_a_reference_is_gone_on_from_and_an_unknown_one_is_14(here):
    died(here)
    run = here.json("log")["runs"][0]
    assert here.run("--resume", "nothing").status == 14
    assert here.run("--resume", f"{run['id'][:8]}@2").out == b"step 1\n" + REST
    (here.work / "other.py").write_text("print('other')\n")
    other = here.call(["-m", "forkpoint", "run", "--store", str(here.store), "--resume", run["id"][:8], "other.py"])
    assert (other.status, other.out) == (125, b"") and b"not of other.py" in other.err


def test_another_identity_starts_anew(here):
    died(here)
    program = ["-m", "forkpoint", "run", "--store", str(here.store)]
    assert here.call([*program, "program.py", "--more"]).out == ALL, "other arguments"
    assert here.call([*program, "--run-key", "b", "program.py"]).out == ALL, "another key"
    for name in ("SLURM_ARRAY_TASK_ID", "RANK", "WANDB_RUN_ID"):
        assert here.run(env={name: "3"}).out == ALL, name
    below = here.work / "below"
    below.mkdir()
    assert here.call([*program, "../program.py"], cwd=below).out == ALL, "another directory"
    assert here.call([*program, "./program.py"]).out == REST, "the same one, spelt otherwise"


def test_a_live_run_is_11_and_one_of_several_ranks_is_125(here):
    (here.work / "program.py").write_text("import sys\nprint('ready', flush=True)\nsys.stdin.read()\n")
    with here.alive():
        for resume in ("auto", "always"):
            second = here.run("--resume", resume)
            assert (second.status, second.out) == (11, b""), second.err.decode()[-2000:]
        assert here.run("--resume", "never").status == 0
    assert here.run(env={"WORLD_SIZE": "2"}).status == 125


def test_a_library_of_another_version_starts_anew_and_is_named(here):
    library = here.work / "lib" / "site-packages"
    library.mkdir(parents=True)
    (library / "somelib.py").write_text("__version__ = '1.0'\n")
    source = here.work / "program.py"
    source.write_text("import somelib\n" + source.read_text())
    here.env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(library), here.env.get("PYTHONPATH", "")]))
    died(here)
    (library / "somelib.py").write_text("__version__ = '1.10'\n")
    anew = here.run()
    assert (anew.status, anew.out) == (0, ALL), anew.err.decode()[-2000:]
    assert b"somelib was 1.0, is 1.10" in anew.err
    assert here.run().out == ALL, "the run that began anew has finished"
    assert len(here.json("log")["runs"]) == 3


def test_a_source_edited_while_it_runs_counts_as_changed(here):
    source = here.work / "program.py"
    edit = "    if i == 1: open('program.py', 'a').write('# edited\\n')\n"
    source.write_text(source.read_text().replace("    dies(i)", edit + "    dies(i)", 1))
    died(here)
    anew = here.run()
    assert anew.out == ALL and b"program.py has changed" in anew.err, anew.err.decode()[-2000:]


def test_a_store_that_lost_its_lineage_still_finds_the_run(here):
    died(here)
    for file in (here.store / "leases").iterdir():
        if file.name == "lineage" or file.suffix == ".last":
            file.unlink()
    assert here.run().out == REST


def test_a_start_with_nothing_to_continue_opens_no_journal(here):
    """SQLite costs a tenth of a second to load: a first start, and one after a finished run, do without."""

    def imports(*options):
        words = ["-X", "importtime", "-m", "forkpoint", "run", "--store", str(here.store), *options, "program.py"]
        ran = here.call(words)
        assert ran.out == ALL, ran.err.decode()[-2000:]
        return ran.err

    assert b"pysqlite3" not in imports()
    assert b"pysqlite3" not in imports()
    assert b"pysqlite3" not in imports("--run-key", "new")


def test_a_damaged_newest_point_is_passed_over(here):
    died(here)
    newest, middle = here.json("log")["runs"][0]["points"][:2]
    packs = set(here.json("show", newest["id"])["packs"]) - set(here.json("show", middle["id"])["packs"])
    pack = here.store / packs.pop()
    raw = bytearray(pack.read_bytes())
    raw[len(raw) // 2] ^= 1
    pack.write_bytes(raw)
    resumed = here.run()
    assert resumed.out == b"step 1\n" + REST and b"passed over" in resumed.err, resumed.err.decode()[-2000:]


def test_stdin_as_the_program_is_never_resumed(here):
    code = (here.work / "program.py").read_bytes()
    words = ["-m", "forkpoint", "run", "--store", str(here.store), "-"]
    (here.work / "die").write_text("kill 2")
    killed = here.call(words, stdin=code)
    (here.work / "die").unlink()
    assert killed.status == -signal.SIGKILL
    assert here.call(words, stdin=code).out == ALL


def test_a_copied_store_goes_on_where_the_first_stopped(here, tmp_path):
    died(here)
    shutil.copytree(here.store, tmp_path / "copy")
    here.store = tmp_path / "copy"
    assert here.run().out == REST


def test_a_store_put_back_to_an_older_state_is_13_until_that_is_accepted(here, tmp_path):
    died(here)
    shutil.copytree(here.store, tmp_path / "older")
    assert here.run().out == REST
    for name in ("journal.db", "packs", "leases"):
        old, now = tmp_path / "older" / name, here.store / name
        if old.is_dir():
            shutil.rmtree(now)
            shutil.copytree(old, now)
        else:
            shutil.copy(old, now)
    for leftover in here.store.glob("journal.db-*"):
        leftover.unlink()
    assert here.restore().status == 13
    accepted = here.restore("--accept-rollback")
    assert (accepted.status, accepted.out) == (0, REST), accepted.err.decode()[-2000:]


def test_on_another_machine_the_key_is_wanted_and_an_imported_one_serves(here, tmp_path):
    died(here)
    key = tmp_path / "the.key"
    assert here.ask("key", "export", str(key)).status == 0
    here.env["XDG_CONFIG_HOME"] = str(tmp_path / "elsewhere")
    assert here.restore().status == 12
    assert here.run().status == 12
    assert here.call(["-m", "forkpoint", "key", "import", str(key), "--store", str(here.store)]).status == 0
    assert here.run().out == REST


def test_a_store_whose_key_is_elsewhere_is_restored_when_it_is_trusted_and_not_before(here, tmp_path):
    died(here)
    here.env["XDG_CONFIG_HOME"] = str(tmp_path / "elsewhere")
    assert here.restore().status == 12
    trusted = here.restore("--trust")
    assert (trusted.status, trusted.out) == (0, REST), trusted.err.decode()[-2000:]
    assert b"checked for damage only" in trusted.err
    assert here.ask("verify").status == 0


def test_after_a_rotation_of_the_key_the_old_one_is_of_no_use(here, tmp_path):
    died(here)
    old = tmp_path / "old.key"
    assert here.ask("key", "export", str(old)).status == 0
    rotated = here.call(["-m", "forkpoint", "key", "rotate", "--store", str(here.store)])
    assert rotated.status == 0, rotated.err.decode()[-2000:]
    assert here.ask("verify").status == 0
    assert here.ask("log", env={"FORKPOINT_KEY_FILE": str(old)}).status == 12
    assert here.restore().out == REST


def test_importing_the_key_of_another_store_is_12(here, tmp_path):
    died(here)
    other = tmp_path / "other.key"
    other.write_text(f"forkpoint-key-1 {'ab' * 32}\n")
    here.env["XDG_CONFIG_HOME"] = str(tmp_path / "elsewhere")
    assert here.call(["-m", "forkpoint", "key", "import", str(other), "--store", str(here.store)]).status == 12


def test_an_input_that_has_changed_starts_anew_and_is_named(here):
    (here.work / "input.txt").write_text("".join(f"line {i}\n" for i in range(1000)))
    source = here.work / "program.py"
    source.write_text(
        "lines = open('input.txt')\n" + source.read_text().replace("    dies(i)", "    next(lines); dies(i)")
    )
    died(here)
    (here.work / "input.txt").write_text("other\n" * 1000)
    anew = here.run()
    assert anew.out == ALL and b"input.txt" in anew.err, anew.err.decode()[-2000:]


def test_a_secret_argument_is_in_no_metadata_and_the_program_has_it_all_the_same(make):
    here = make(
        "import sys\nimport forkpoint\nprint(forkpoint.checkpoint(wait=True).restored, sys.argv[1:], flush=True)\n"
    )
    here.program = dataclasses.replace(here.program, command=("program.py", "--api-key", "hunter2"))
    assert here.run(env={"FORKPOINT_FAULT": "program.durable:kill:1"}).status == -9
    told = here.ask("log", "--json").out + here.ask("show", "latest", "--json").out
    assert b"***" in told and b"hunter2" not in told
    assert here.restore().out == b"True ['--api-key', 'hunter2']\n"


def test_a_key_on_another_filesystem_than_the_store_is_told(make):
    here = make("print(1)")
    assert b"another filesystem" not in here.run().err
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        here.store = Path(elsewhere) / "store"
        assert b"key lies on another filesystem" in here.run().err
