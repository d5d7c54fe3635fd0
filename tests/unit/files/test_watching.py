"""What a program changes is noted before it changes, once, with what it takes to undo it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from forkpoint import _native
from forkpoint.capture import descriptors
from forkpoint.capture.written import Written, look
from forkpoint.errors import IntegrityError
from forkpoint.journal import filelog, home
from forkpoint.journal.home import Home
from forkpoint.model import Touch

RUN = "ab" * 16
Watch = Callable[..., Written]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("config", "state"):
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / name))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return home.create(str(tmp_path / "store"))


@pytest.fixture
def watch(store: Home) -> Iterator[Watch]:
    def make(*, committing: bool = False, after_a_point: bool = True, max_bytes: int = 1 << 20) -> Written:
        watched = Written(
            filelog.FileLog(store, RUN),
            ignored=(store.path,),
            before=filelog.touches(store, RUN),
            known=(),
            own_databases=(),
            after_a_point=after_a_point,
            max_bytes=max_bytes,
            committing=lambda: committing,
            failed=pytest.fail,
        )
        watched.start()
        return watched

    yield make
    _native.audit_stop()


def noted(store: Home) -> list[tuple[str, str, str]]:
    return [(os.path.basename(t.path), t.change, t.was.kind) for t in filelog.touches(store, RUN)]


def content(store: Home, touch: Touch) -> bytes:
    with open(filelog.open_kept(store, touch), "rb") as file:
        return file.read()


def test_each_way_to_change_a_file_is_noted_once(store: Home, watch: Watch) -> None:
    watched = watch()
    for _ in range(3):
        with open("rows", "a") as file:
            file.write("x")
        with open("state", "w") as file:
            file.write("x")
    assert noted(store) == [("rows", "append", "absent"), ("state", "change", "absent")]
    watched.at_commit(())
    open("rows", "a").close()
    assert len(noted(store)) == 2, "the restore point to come knows them"


def test_before_the_first_commit_point_nothing_is_noted_or_kept(store: Home, watch: Watch) -> None:
    Path("input").write_text("old")
    watched = watch(after_a_point=False)
    Path("input").write_text("new")
    os.remove("input")
    assert noted(store) == []
    assert [state.kind for path, state in watched.states.items() if path.endswith("/input")] == ["file"]
    watched.at_commit(())
    Path("later").write_text("new")
    assert noted(store) == [("later", "change", "absent")]


def test_a_database_that_is_removed_is_kept_though_no_event_told_of_its_making(store: Home, watch: Watch) -> None:
    watched = watch()
    with closing(sqlite3.connect("made.db")) as database:
        database.execute("create table t(x)")
        watched.at_commit(descriptors.opened(()))
    os.remove("made.db")
    made, touch = filelog.touches(store, RUN)
    assert (made.change, made.was.kind) == ("database", "absent")
    assert content(store, touch).startswith(b"SQLite format 3")


def test_renaming_over_removing_and_directories_are_noted(store: Home, watch: Watch) -> None:
    Path("a").write_text("a")
    Path("b").write_text("b")
    watch()
    os.replace("a", "b")
    os.remove("b")
    os.makedirs("d/e")
    shutil.rmtree("d")
    names = [name for name, _, _ in noted(store)]
    assert names[:4] == ["a", "b", "d", "e"]


def test_what_was_there_before_the_first_change_is_kept_whichever_way_it_goes(store: Home, watch: Watch) -> None:
    for name in ("cut", "removed", "patched", "renamed", "covered"):
        Path(name).write_text(f"old {name}")
    Path("new").write_text("new")
    watch()
    open("cut", "w").close()
    os.remove("removed")
    open("patched", "r+").close()
    os.rename("renamed", "elsewhere")
    os.replace("new", "covered")
    kept = {os.path.basename(t.path): content(store, t) for t in filelog.touches(store, RUN) if t.kept}
    assert kept == {
        "cut": b"old cut",
        "removed": b"old removed",
        "patched": b"old patched",
        "renamed": b"old renamed",
        "covered": b"old covered",
        "new": b"new",
    }


def test_what_was_only_appended_to_is_kept_when_it_is_then_written_over(store: Home, watch: Watch) -> None:
    Path("rows").write_text("old")
    watched = watch()
    with open("rows", "a") as file:
        file.write("+")
    watched.at_commit(())
    open("rows", "w").close()
    first, second = filelog.touches(store, RUN)
    assert (first.kept, first.was.size, content(store, second)) == (None, 3, b"old+")


def test_a_file_changed_while_the_child_reads_is_kept_again_and_else_not(store: Home, watch: Watch) -> None:
    watched = watch(committing=True)
    Path("state").write_text("one")
    watched.at_commit(())
    Path("state").write_text("two")
    (touch,) = filelog.touches(store, RUN, filelog.NOW)
    assert content(store, touch) == b"one"
    Path("state").write_text("three")
    assert len(filelog.touches(store, RUN, filelog.NOW)) == 1
    watched.at_commit(())
    assert filelog.touches(store, RUN, filelog.NOW) == []
    assert not [name for name in os.listdir(Path(store.path, "leases")) if ".now" in name], "what a child needed goes"


def test_a_kept_copy_that_was_altered_is_never_used(store: Home, watch: Watch) -> None:
    Path("input").write_text("old")
    watch()
    Path("input").write_text("new")
    _native.audit_stop()
    (touch,) = filelog.touches(store, RUN)
    Path(store.path, "leases", str(touch.kept)).write_text("bad")
    with pytest.raises(IntegrityError):
        filelog.open_kept(store, touch)


def test_a_log_somebody_wrote_to_is_refused_and_a_torn_last_line_is_not(store: Home, watch: Watch) -> None:
    watch()
    open("a", "w").close()
    open("b", "w").close()
    _native.audit_stop()
    log = Path(store.path, "leases", f"{RUN}.files")
    whole = log.read_bytes()
    log.write_bytes(whole + b"0123 torn")
    assert len(filelog.touches(store, RUN)) == 2
    filelog.FileLog(store, RUN).touch(Touch("/c", "change", look("/c")), original=True)
    assert len(filelog.touches(store, RUN)) == 3
    lines = whole.splitlines(keepends=True)
    for damaged in (lines[1], whole.replace(b'"a"', b'"c"').replace(b"/a", b"/c"), lines[1] + lines[0]):
        log.write_bytes(damaged)
        with pytest.raises(IntegrityError):
            filelog.touches(store, RUN)


def test_a_renamed_directory_takes_its_files_along(store: Home, watch: Watch) -> None:
    watched = watch()
    os.makedirs("tmp/deep")
    Path("tmp/deep/model").write_text("x")
    os.rename("tmp", "final")
    watched.at_commit(())
    kinds = {os.path.relpath(path): state.kind for path, state in watched.states.items()}
    assert kinds == {
        "tmp": "absent",
        "tmp/deep": "absent",
        "tmp/deep/model": "absent",
        "final": "directory",
        "final/deep": "directory",
        "final/deep/model": "file",
    }


def test_what_a_renamed_directory_brings_along_is_kept_though_it_is_changed_there(store: Home, watch: Watch) -> None:
    os.mkdir("one")
    Path("one/log").write_text("old")
    watched = watch(committing=True)
    watched.at_commit(())
    os.rename("one", "two")
    with open("two/log", "a") as file:
        file.write("new")
    kept = [touch for touch in filelog.touches(store, RUN) if touch.kept is not None]
    assert [(os.path.relpath(touch.path), content(store, touch)) for touch in kept] == [("one/log", b"old")]


def test_a_link_that_leads_to_another_file_now_is_followed_anew(store: Home, watch: Watch) -> None:
    watched = watch()
    for name in ("monday", "tuesday"):
        if os.path.islink("today"):
            os.remove("today")
        os.symlink(name, "today")
        with open("today", "a") as file:
            file.write(name)
    watched.at_commit(())
    assert {"monday", "tuesday"} <= {os.path.basename(path) for path in watched.states}


def test_the_store_devices_and_compiled_files_are_never_noted(store: Home, watch: Watch) -> None:
    watch()
    open("/dev/null", "w").close()
    Path(store.path, "tmp", "x").write_text("")
    os.mkdir("__pycache__")
    Path("__pycache__/x.pyc").write_text("")
    assert noted(store) == [("__pycache__", "replace", "absent")]


def test_threads_that_write_at_the_same_time_leave_a_log_that_can_be_believed(store: Home, watch: Watch) -> None:
    watched = watch()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def write(number: int) -> None:
        for n in range(60):
            Path(f"{number}-{n}").write_text("x")

    try:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            watched.at_commit(())
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert len(filelog.touches(store, RUN)) == 6 * 60


def test_an_open_file_of_somebody_else_does_not_stop_commits(
    store: Home, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    watched = watch()
    monkeypatch.setattr(os, "utime", refuse)  # this test may run as root, whom nothing refuses
    with open("theirs", "w+b", buffering=0) as file:
        file.write(b"x")
        opened = [one for one in descriptors.opened(()) if one.path.endswith("/theirs")]
        watched.at_commit(opened)
    assert watched.states[opened[0].path].mtime_ns == 0, "no file is taken for it"


def test_a_fork_of_the_program_notes_nothing(store: Home, watch: Watch) -> None:
    watch()
    child = os.fork()
    if child == 0:
        open("theirs", "w").close()
        os._exit(0)
    os.waitpid(child, 0)
    assert noted(store) == []


def test_a_temporary_file_that_is_gone_by_the_commit_point_is_known_to_be_absent(store: Home, watch: Watch) -> None:
    watched = watch()
    with tempfile.NamedTemporaryFile(dir=".") as file:
        name = os.path.realpath(file.name)
    watched.at_commit(())
    assert watched.states[name].kind == "absent"


def test_the_next_write_through_an_open_file_changes_the_time_that_was_noted(store: Home, watch: Watch) -> None:
    watched = watch()
    with open("data", "w+b", buffering=0) as file:
        for n in range(50):
            file.seek(0)
            file.write(b"%02d" % n)
            opened = [one for one in descriptors.opened(()) if one.path.endswith("/data")]
            file.seek(0)
            watched.at_commit(opened)
            noted_state = watched.states[opened[0].path]
            assert look("data") == noted_state
            file.write(b"xx")  # at once, within the same step of the kernel's file times
            assert look("data") != noted_state


def test_a_file_that_another_process_wrote_is_told_of_and_left_to_it(store: Home, watch: Watch) -> None:
    told: list[str] = []
    watched = watch()
    watched._failed = told.append
    for _ in range(3):
        with subprocess.Popen(["sh", "-c", "echo x > beside"]):
            pass
        watched._look_again = min(watched._look_again, 0.0) if not told else watched._look_again
        watched.at_commit(())
        watched.look_for_unseen()
    assert [("beside" in line, "another process" in line) for line in told] == [(True, True)]
    assert watched.states == {}


def test_what_another_interpreter_opens_is_not_told_to_this_one() -> None:
    """Its threads hold another lock, and our callback is this one's."""
    program = """
import sys
from forkpoint import _native
import _PART_ as interpreters
told = []
_native.audit_start(lambda event, args: told.append(event))
other = interpreters.create()
failed = interpreters.run_string(other, "open('/dev/null', 'w').close()")
interpreters.destroy(other)
_native.audit_stop()
sys.exit(f"{failed} {told}" if failed or told else 0)
""".replace("_PART_", "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)


ANNOUNCED = """
import zlib
from forkpoint import _native
seen = []
_native.audit_start(lambda event, args: seen.append((event, args[0])) if event == "open" else None)
for _ in range(2):
    assert _native.announce_function(zlib.decompress, 2, "bufsize")
data = zlib.compress(b"text")
assert zlib.decompress(data, 15, 99) == zlib.decompress(data, bufsize=77) == zlib.decompress(data) == b"text"
assert [place for event, place in seen] == [99, 77], seen
assert not _native.announce_function(len, 0, "obj")
"""


def test_a_function_in_c_that_opens_a_file_is_told_of_with_the_name_it_is_given() -> None:
    subprocess.run([sys.executable, "-c", ANNOUNCED], check=True)


def test_files_of_safetensors_are_seen(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    code = """
        import numpy, pathlib, sys
        from safetensors.numpy import save_file
        from forkpoint import _native
        from forkpoint.capture.adapters.safetensors_files import ADAPTER
        ADAPTER.before_fork()
        seen = []
        _native.audit_start(lambda event, args: seen.append(str(args[0])) if event == "open" else None)
        save_file({"a": numpy.ones(3)}, sys.argv[1])
        save_file({"a": numpy.ones(3)}, filename=pathlib.Path(sys.argv[1]))
        assert seen.count(sys.argv[1]) == 2, seen
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "a.safetensors")], check=True)
