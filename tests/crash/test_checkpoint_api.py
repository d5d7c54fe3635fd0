"""checkpoint(), its answer, references, states and exit statuses behave as documented."""

from __future__ import annotations

import json
import os
import signal
import textwrap
from pathlib import Path

import pytest
from harness import Bench, Program

DIES = {"FORKPOINT_FAULT": "program.durable:kill:1"}


@pytest.fixture
def inline(tmp_path, python):
    """A bench for a few lines of program."""

    def make(code: str, *args: str) -> Bench:
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        (source / "program.py").write_text(textwrap.dedent(code))
        return Bench(Program("program", ("program.py", *args), source), tmp_path / "bench", python)

    return make


THREE_DOWN = """
    import sys
    import forkpoint

    def inner(n):
        taken = forkpoint.checkpoint("down here", wait=True)
        print("restored", taken.restored, "durable", taken.durable, "id", bool(taken.id), "done", taken.done())
        return n + 1

    def middle(n):
        return inner(n) * 2

    def outer(n):
        print("begin", forkpoint.restored())
        result = middle(n)
        print("end", result, forkpoint.restored())

    outer(20)
"""


@pytest.mark.parametrize("plain", [True, False], ids=["python", "run"])
def test_checkpoint_returns_a_second_time_with_restored_true(inline, plain):
    here = inline(THREE_DOWN)
    if plain:
        killed = here.call(here.program.command, DIES)
        here.store = here.work / ".forkpoint"
    else:
        killed = here.run(env=DIES)
    assert (killed.status, killed.out) == (-signal.SIGKILL, b"begin False\n"), killed.err.decode()[-2000:]
    restored = here.restore()
    assert restored.status == 0, restored.err.decode()[-2000:]
    assert restored.out.decode().splitlines() == ["restored True durable True id True done True", "end 42 True"]


def test_uninterrupted_the_answer_says_not_restored_and_durable(inline):
    here = inline(THREE_DOWN)
    ran = here.call(here.program.command)
    assert ran.out.decode().splitlines() == [
        "begin False",
        "restored False durable True id True done True",
        "end 42 False",
    ], ran.err.decode()[-2000:]
    assert (here.work / ".forkpoint").is_dir()
    assert (here.work / ".forkpoint").stat().st_mode & 0o077 == 0


def test_wait_makes_an_unwaited_point_durable(inline):
    here = inline("""
        import forkpoint
        taken = forkpoint.checkpoint("label one")
        print(type(taken).__name__, taken.restored, taken.id is not None)
        taken.wait()
        print(taken.done(), taken.durable, taken.reason)
        again = forkpoint.checkpoint()
        again.wait(timeout=30)
        print(again.durable, again.id != taken.id)
    """)
    ran = here.run()
    assert ran.out.decode().splitlines() == [
        "Checkpoint False True",
        "True True None",
        "True True",
    ] or ran.out.decode().splitlines() == ["Checkpoint False True", "True True ", "True True"], (
        ran.out,
        ran.err.decode()[-2000:],
    )
    points = here.json("log")["runs"][0]["points"]
    assert [p["label"] for p in points] == [None, "label one"] and {p["trigger"] for p in points} == {"explicit"}


def test_on_restore_runs_after_state_is_back_and_before_the_program_goes_on(inline):
    here = inline("""
        import forkpoint
        state = {"n": 1}
        forkpoint.on_restore(lambda: print("back with", state["n"], flush=True))
        state["n"] = 2
        forkpoint.checkpoint(wait=True)
        print("going on", state["n"])
    """)
    killed = here.run(env=DIES)
    assert (killed.status, killed.out) == (-signal.SIGKILL, b""), killed.err.decode()[-2000:]
    restored = here.restore()
    assert (restored.status, restored.out) == (0, b"back with 2\ngoing on 2\n"), restored.err.decode()[-2000:]


LOOP = """
    import sys
    import forkpoint

    for i in range(4):
        forkpoint.checkpoint(f"step {i}", wait=True)
        print("step", i, flush=True)
    sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
"""


def test_every_kind_of_reference_finds_its_point(inline):
    here = inline(LOOP)
    assert here.run(env={"FORKPOINT_FAULT": "program.durable:kill:3"}).status == -signal.SIGKILL
    run = here.json("log")["runs"][0]
    assert run["state"] == "died" and len(run["points"]) == 3
    newest, middle, oldest = run["points"]
    for ref in ("latest", newest["id"], newest["id"][:8], run["id"], f"{run['id']}@{newest['seq']}", "step 2"):
        assert here.json("show", ref)["id"] == newest["id"], ref
    assert here.json("show", "latest~1")["id"] == middle["id"]
    assert here.json("show", "latest~2")["id"] == oldest["id"]
    for ref in ("latest~9", "zzzz", "no such label"):
        assert here.ask("show", ref).status == 14, ref
    earlier = here.restore(middle["id"])
    assert earlier.out == b"step 1\nstep 2\nstep 3\n", earlier.err.decode()[-2000:]


def test_show_and_log_say_what_is_promised(inline):
    here = inline("""
        import forkpoint
        weights = list(range(100))
        def work():
            inside = {"a": 1}
            print("0123456789")
            forkpoint.checkpoint("named", wait=True)
        work()
    """)
    here.run(env=DIES)
    log = here.json("log")
    assert log["schema"] == 1
    run = log["runs"][0]
    assert {"id", "program", "argv", "cwd", "state", "exit", "points"} <= set(run)
    point = here.json("show", "latest")
    wanted = {"id", "seq", "label", "created_at", "trigger", "durable", "complete", "location", "bytes_new"}
    wanted |= {"bytes_total", "stop_ms", "commit_ms", "stdout_bytes", "split_ms", "variables", "tombstones"}
    wanted |= {"refusals", "files", "packs", "provenance", "schema"}
    assert wanted <= set(point), wanted - set(point)
    assert point["label"] == "named" and point["durable"] and point["complete"] and point["stdout_bytes"] == 11
    assert point["location"].endswith("program.py:7 in work"), point["location"]
    assert {"wait", "capture", "fork"} <= set(point["split_ms"])
    assert "weights" in {v["name"].rsplit(".")[-1] for v in point["variables"]}, point["variables"]
    assert here.ask("show", "latest").out and here.ask("log").out


def test_a_finished_run_is_not_restored_without_a_name_and_exits_14(inline):
    for status in (0, 3):
        here = inline(LOOP, str(status))
        ran = here.run()
        assert ran.status == status
        assert here.json("log")["runs"][0]["state"] == "finished"
        assert here.restore().status == 14
        for path in (here.scratch,):
            os.rename(path, path.with_name(f"done{status}"))


def test_a_live_run_is_not_restored_and_exits_11(inline):
    here = inline("""
        import sys, forkpoint
        forkpoint.checkpoint(wait=True)
        print("ready", flush=True)
        sys.stdin.read()
    """)
    with here.alive() as process:
        assert here.restore().status == 11
        assert here.json("log")["runs"][0]["state"] == "running"
    assert process.returncode == 0


def test_no_store_is_exit_10(inline, tmp_path):
    here = inline("pass")
    for verb in ("log", "restore", "verify"):
        assert here.ask(verb).status == 10, verb
    assert not here.store.exists()


def test_disable_turns_everything_off(inline):
    here = inline(LOOP)
    ran = here.run(env={"FORKPOINT_DISABLE": "1"})
    assert (ran.status, ran.out.count(b"step")) == (0, 4), ran.err.decode()[-2000:]
    assert not here.store.exists()
    assert here.call(here.program.command, {"FORKPOINT_DISABLE": "1"}).status == 0
    assert not (here.work / ".forkpoint").exists()


def test_run_goes_on_by_itself_after_a_kill_and_starts_anew_after_an_exit(inline):
    here = inline(LOOP, "5")
    killed = here.run(env={"FORKPOINT_FAULT": "program.durable:kill:3"})
    assert killed.status == -signal.SIGKILL
    resumed = here.run()
    assert (resumed.status, resumed.out) == (5, b"step 2\nstep 3\n"), resumed.err.decode()[-2000:]
    assert b"forkpoint: " in resumed.err
    anew = here.run()
    assert (anew.status, anew.out.count(b"step")) == (5, 4), anew.err.decode()[-2000:]
    never = here.run("--resume", "never", env={"FORKPOINT_FAULT": "program.durable:kill:2"})
    assert never.out == b"step 0\n"
    assert here.run("--resume", "never").out.count(b"step") == 4


def test_a_changed_source_starts_anew_and_says_what_changed(inline):
    here = inline(LOOP)
    here.run(env={"FORKPOINT_FAULT": "program.durable:kill:3"})
    source = here.work / "program.py"
    source.write_text(source.read_text().replace('"step", i', '"pace", i'))
    anew = here.run()
    assert anew.out.count(b"pace") == 4 and b"program.py" in anew.err, anew.err.decode()[-2000:]


def test_restarts_brings_a_killed_program_back_without_help(inline):
    here = inline("""
        import os, signal
        import forkpoint

        for i in range(5):
            taken = forkpoint.checkpoint(wait=True)
            if i == 2 and not taken.restored:
                os.kill(os.getpid(), signal.SIGKILL)
            print("step", i, flush=True)
    """)
    ran = here.run("--restarts", "2")
    assert (ran.status, ran.out) == (0, b"".join(b"step %d\n" % i for i in range(5))), ran.err.decode()[-2000:]


def test_restarts_gives_up_and_keeps_the_signal(inline):
    here = inline("""
        import os, signal
        import forkpoint
        forkpoint.checkpoint(wait=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    ran = here.run("--restarts", "1")
    assert ran.status in (-signal.SIGKILL, 128 + signal.SIGKILL), ran.err.decode()[-2000:]


def test_what_cannot_be_saved_is_a_tombstone_that_is_listed_and_raises_when_touched(inline):
    here = inline("""
        import socket
        import forkpoint

        pair = socket.socketpair()
        kept = {"answer": 42, "plug": pair[0]}
        taken = forkpoint.checkpoint(wait=True)
        print(kept["answer"])
        try:
            kept["plug"].send(b"x")
        except Exception as error:
            print(type(error).__name__)
        else:
            print("sent")
    """)
    killed = here.run(env=DIES)
    assert killed.status == -signal.SIGKILL, killed.err.decode()[-2000:]
    shown = here.json("show", "latest")
    assert not shown["complete"]
    assert any("plug" in t["path"] or "pair" in t["path"] for t in shown["tombstones"]), shown["tombstones"]
    restored = here.restore()
    assert (restored.status, restored.out) == (0, b"42\nTombstoneError\n"), restored.err.decode()[-2000:]


def test_load_reads_variables_without_touching_the_program(inline):
    here = inline("""
        import forkpoint
        model = {"w": [1, 2, 3]}
        taken = forkpoint.checkpoint(wait=True)
        model["w"].append(4)
        old = forkpoint.load(taken.id, "model")
        print(old, model, old is model)
    """)
    ran = here.run()
    assert (ran.status, ran.out) == (0, b"{'w': [1, 2, 3]} {'w': [1, 2, 3, 4]} False\n"), ran.err.decode()[-2000:]


def test_forget_keeps_the_newest_and_it_still_restores(inline):
    here = inline(LOOP)
    here.run("--keep-last", "10", env={"FORKPOINT_FAULT": "program.durable:kill:4"})
    assert here.ask("forget", "--keep-last", "1").status == 0
    assert len(here.json("log")["runs"][0]["points"]) == 1
    assert here.ask("verify").status == 0
    assert here.restore().out == b"step 3\n"


def test_the_hash_seed_of_a_plain_run_comes_back_or_the_stack_is_refused_with_a_reason(inline):
    here = inline("""
        import forkpoint
        words = {str(i) for i in range(30)}
        before, order = [hash(w) for w in "abc"], list(words)
        forkpoint.checkpoint(wait=True)
        print(before == [hash(w) for w in "abc"], order == list(words), "7" in words)
    """)
    killed = here.call(here.program.command, DIES)
    here.store = here.work / ".forkpoint"
    assert killed.status == -signal.SIGKILL, killed.err.decode()[-2000:]
    restored = here.restore()
    if restored.status:
        assert b"hash" in restored.err
    else:
        assert restored.out == b"True True True\n"


def test_import_is_light(python, inline):
    here = inline("pass")
    ran = here.call(
        ["-c", "import sys, forkpoint; print([m for m in ('numpy', 'torch', 'click', 'sqlite3') if m in sys.modules])"]
    )
    assert ran.out == b"[]\n", (ran.out, ran.err)


def test_json_goes_to_stdout_alone(inline):
    here = inline(LOOP)
    here.run()
    for words in (("log", "--json"), ("verify", "--json"), ("doctor", "--json")):
        ran = here.ask(*words)
        assert json.loads(ran.out)["schema"] == 1, words


def test_a_store_is_found_upward_from_the_working_directory(inline):
    here = inline(LOOP)
    killed = here.call(["-m", "forkpoint", "run", "program.py"], DIES)
    assert killed.status == -signal.SIGKILL, killed.err.decode()[-2000:]
    below = Path(here.work / "a" / "b")
    below.mkdir(parents=True)
    found = here.call(["-m", "forkpoint", "log", "--json"], cwd=below)
    assert len(json.loads(found.out)["runs"][0]["points"]) == 1


def test_a_finalizer_may_ask_when_the_interpreter_is_torn_down(inline):
    here = inline("""
        import forkpoint

        def held():
            try:
                yield
            finally:
                print("durable", forkpoint.checkpoint().durable)

        left = held()
        next(left)
    """)
    assert here.run().out == b"durable False\n"


@pytest.mark.parametrize("raised", ["MemoryError", "RuntimeError('ours')"])
def test_an_error_of_forkpoints_own_is_a_warning_and_no_end_of_the_program(inline, raised):
    here = inline(f"""
        import forkpoint
        from forkpoint import engine

        def fails(*arguments, **more):
            raise {raised}

        engine.Engine._moment = fails
        taken = forkpoint.checkpoint()
        print(taken.id, taken.durable, taken.reason)
        """)
    ended = here.call(here.program.command)
    reason = {"MemoryError": "MemoryError", "RuntimeError('ours')": "RuntimeError: ours"}[raised]
    assert (ended.status, ended.out.decode()) == (0, f"None False {reason}\n"), ended.err.decode()
    assert f"NotDurableWarning: no restore point: {reason}" in ended.err.decode()
