"""What restoring does to files is decided from what was recorded, what was there before, and what is there now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forkpoint.model import FileState, Touch, WrittenFile
from forkpoint.restore.files import Step, plan, relocation, times

ABSENT = FileState("absent")
FOLDER = FileState("directory", mode=0o755)


class Bytes:
    """Contents by path and by origin, in memory."""

    def __init__(self, here: Mapping[str, bytes], kept: Mapping[str, bytes]) -> None:
        self.here = here
        self.kept = kept

    def equal(self, path: str, size: int, origin: str | Touch) -> bool:
        name = origin if isinstance(origin, str) else str(origin.kept)
        return self.here[path][:size] == self.kept[name][:size]

    def tail(self, path: str, size: int) -> str:
        return self.here[path][:size].decode()

    def mark(self, path: str) -> str:
        return self.here[path].decode()

    def in_use(self, path: str) -> bool:
        return self.here[path].startswith(b"used")


def regular(content: bytes, inode: int = 1) -> FileState:
    return FileState("file", len(content), 0o644, 5, inode)


def recorded(path: str, content: bytes, *, pod: str | None = "pod", digest: str = "") -> WrittenFile:
    return WrittenFile(path, "file", len(content), 0o644, pod, digest, "" if pod else "too large")


def decide(
    files: Sequence[WrittenFile] = (),
    touches: Sequence[Touch] = (),
    here: Mapping[str, bytes | FileState] = {},
    kept: Mapping[str, bytes] = {},
) -> list[Step]:
    states = {path: regular(what) if isinstance(what, bytes) else what for path, what in here.items()}
    contents = Bytes({path: what for path, what in here.items() if isinstance(what, bytes)}, kept)
    return plan(files, touches, lambda path: states.get(path, ABSENT), contents)


def actions(steps: Sequence[Step]) -> list[tuple[str, str]]:
    return [(step.action, step.path) for step in steps]


def test_what_was_appended_after_the_point_is_cut_off() -> None:
    steps = decide([recorded("/log", b"one\n")], here={"/log": b"one\ntwo\n"}, kept={"pod": b"one\n"})
    assert [(s.action, s.size) for s in steps] == [("cut", 4)]


def test_what_was_written_over_after_the_point_comes_back() -> None:
    steps = decide([recorded("/state", b"one")], here={"/state": b"two, longer"}, kept={"pod": b"one"})
    assert [(s.action, s.origin) for s in steps] == [("write", "pod")]


def test_a_file_that_is_as_it_was_is_left_alone() -> None:
    assert decide([recorded("/state", b"one")], here={"/state": b"one"}, kept={"pod": b"one"}) == []


def test_a_file_removed_after_the_point_is_written_again() -> None:
    assert actions(decide([recorded("/gone", b"x")], kept={"pod": b"x"})) == [("write", "/gone")]


def test_a_link_leads_again_where_it_led_and_one_made_later_goes() -> None:
    link = WrittenFile("/latest", "link", 0, 0, None, "", "", "ckpt1")
    assert decide([link], here={"/latest": FileState("link", target="ckpt1")}) == []
    for now in (FileState("link", target="ckpt2"), b"a file", ABSENT):
        (step,) = decide([link], here={"/latest": now})
        assert (step.action, step.path, step.origin) == ("link", "/latest", "ckpt1")
    inside = WrittenFile("/old/latest", "link", 0, 0, None, "", "", "/old/ckpt1")
    (moved,) = plan([inside], (), lambda path: ABSENT, Bytes({}, {}), relocation("/old", "/new"))
    assert (moved.path, moved.origin) == ("/new/latest", "/new/ckpt1")
    was = Touch("/latest", "replace", FileState("link", target="ckpt0"))
    assert [s.origin for s in decide(touches=[was], here={"/latest": FileState("link", target="ckpt1")})] == ["ckpt0"]
    later = Touch("/latest", "replace", ABSENT)
    assert actions(decide(touches=[later], here={"/latest": FileState("link", target="x")})) == [("remove", "/latest")]


def test_permissions_changed_after_the_point_are_as_they_were() -> None:
    now = {"/script": regular(b"one")._replace(mode=0o755)}
    steps = plan([recorded("/script", b"one")], (), now.__getitem__, Bytes({"/script": b"one"}, {"pod": b"one"}))
    assert [(s.action, s.mode) for s in steps] == [("mode", 0o644)]


def test_a_database_is_left_alone_and_is_as_it_was_last_where_it_is_gone() -> None:
    database = WrittenFile("/db", "database", 3, 0o600, None, "", "")
    touches = [Touch("/db", "replace", regular(text), kept) for text, kept in ((b"old", "1"), (b"newer", "2"))]
    assert decide([database], touches, here={"/db": b"another"}) == []
    assert [(s.action, s.size, s.origin) for s in decide([database], touches)] == [("write", 5, touches[1])]


def test_a_database_that_is_left_alone_and_has_changed_is_told_of() -> None:
    database = WrittenFile("/db", "database", 3, 0o600, None, "mark", "")
    assert decide([database], here={"/db": b"mark"}) == []
    assert actions(decide([database], here={"/db": b"other"})) == [("leave", "/db")]


def test_a_database_of_the_program_s_own_comes_back_whole_and_what_lies_beside_it_goes() -> None:
    database = WrittenFile("/db", "database", 3, 0o600, "pod", "", "")
    wal = WrittenFile("/db-wal", "database", 2, 0o600, "wal", "", "")
    kept = {"pod": b"old", "wal": b"ww"}
    grown = {"/db": b"old", "/db-wal": b"www", "/db-shm": b"s"}
    assert actions(decide([database, wal], here=grown, kept=kept)) == [("write", "/db-wal"), ("remove", "/db-shm")]
    hot = {"/db": b"new", "/db-journal": b"j"}
    assert actions(decide([database], here=hot, kept=kept)) == [("write", "/db"), ("remove", "/db-journal")]
    same = {"/db": b"old", "/db-shm": b"s", "/db-wal": b"ww"}
    assert decide([database, wal], here=same, kept=kept) == []


def test_a_database_that_another_process_has_open_is_not_taken_from_under_it() -> None:
    database = WrittenFile("/db", "database", 3, 0o600, "pod", "", "")
    assert actions(decide([database], here={"/db": b"used"}, kept={"pod": b"old"})) == [("impossible", "/db")]


def test_a_database_made_after_the_point_is_moved_aside_with_what_lies_beside_it() -> None:
    steps = decide(touches=[Touch("/db", "database", ABSENT)], here={"/db": b"new", "/db-journal": b"j"})
    assert sorted(actions(steps)) == [("remove", "/db"), ("remove", "/db-journal")]


def test_a_file_made_after_the_point_is_moved_aside() -> None:
    assert actions(decide(touches=[Touch("/new", "change", ABSENT)], here={"/new": b"x"})) == [("remove", "/new")]


def test_a_file_that_was_removed_before_the_point_goes_again_when_it_is_back() -> None:
    absent = WrittenFile("/tmp1", "absent", 0, 0, None, "", "")
    assert actions(decide([absent], here={"/tmp1": b"x"})) == [("remove", "/tmp1")]


def test_an_input_first_appended_to_and_then_rewritten_gets_its_old_length_of_the_copy() -> None:
    touches = [
        Touch("/in", "append", regular(b"old")),
        Touch("/in", "change", regular(b"old+new"), "copy", "digest"),
    ]
    (step,) = decide(touches=touches, here={"/in": b"other"}, kept={"copy": b"old+new"})
    assert (step.action, step.size) == ("write", 3)


def test_an_input_only_appended_to_is_cut() -> None:
    steps = decide(touches=[Touch("/in", "append", regular(b"old"))], here={"/in": b"old and new"})
    assert [(s.action, s.size) for s in steps] == [("cut", 3)]


def test_an_input_replaced_by_another_file_without_a_copy_cannot_come_back() -> None:
    touched = Touch("/in", "append", FileState("file", 3, 0o644, 5, inode=77))
    assert actions(decide(touches=[touched], here={"/in": b"old and new"})) == [("impossible", "/in")]


def test_a_large_file_is_cut_when_its_end_is_the_same_and_impossible_when_it_is_not() -> None:
    large = recorded("/big", b"abc", pod=None, digest="abc")
    assert actions(decide([large], here={"/big": b"abcdef"})) == [("cut", "/big")]
    assert actions(decide([large], here={"/big": b"xbcdef"})) == [("impossible", "/big")]
    assert actions(decide([large])) == [("impossible", "/big")]


def test_an_input_that_changed_is_refused_and_one_that_only_grew_is_not() -> None:
    read = WrittenFile("/in", "input", 3, 0, None, "abc", "")
    assert decide([read], here={"/in": b"abcdef"}) == []
    assert actions(decide([read], here={"/in": b"xbc"})) == [("impossible", "/in")]
    assert actions(decide([read])) == [("impossible", "/in")]


def test_directories_come_before_their_files_and_go_after_them() -> None:
    files = [recorded("/a/b/file", b"x"), WrittenFile("/a/b", "directory", 0, 0o755, None, "", "")]
    touches = [
        Touch("/new", "replace", ABSENT),
        Touch("/new/deep", "replace", ABSENT),
        Touch("/new/f", "change", ABSENT),
    ]
    here = {"/new": FOLDER, "/new/deep": FOLDER, "/new/f": b"x"}
    assert actions(decide(files, touches, here, {"pod": b"x"})) == [
        ("make directory", "/a/b"),
        ("write", "/a/b/file"),
        ("remove", "/new/f"),
        ("remove directory", "/new/deep"),
        ("remove directory", "/new"),
    ]


def test_what_lay_below_the_old_working_directory_lies_below_the_new_one() -> None:
    files = [recorded("/old/x", b"x"), recorded("/else/y", b"y")]
    steps = plan(files, [], lambda path: ABSENT, Bytes({}, {}), lambda path: path.replace("/old/", "/here/"))
    assert sorted(step.path for step in steps) == ["/else/y", "/here/x"]


def test_permissions_that_were_given_later_are_taken_back_of_what_the_point_does_not_name_too() -> None:
    script, folder = regular(b"x"), FOLDER._replace(mode=0o700)
    touches = [Touch("/run", "append", script), Touch("/private", "append", folder)]
    here = {"/run": script._replace(mode=0o755), "/private": FOLDER}
    assert [(s.action, s.path, s.mode) for s in decide(touches=touches, here=here)] == [
        ("mode", "/private", 0o700),
        ("mode", "/run", 0o644),
    ]


def test_what_is_no_longer_wanted_leaves_a_directory_before_that_is_closed() -> None:
    touches = [Touch("/d", "append", FOLDER._replace(mode=0o500)), Touch("/d/new", "replace", ABSENT)]
    steps = decide(touches=touches, here={"/d": FOLDER, "/d/new": b"x"})
    assert actions(steps) == [("remove", "/d/new"), ("mode", "/d")]


def test_times_are_those_of_the_point_or_of_before_the_first_change() -> None:
    files = [
        recorded("/old/a", b"x")._replace(mtime_ns=7),
        WrittenFile("/old", "directory", 0, 0o755, None, "", "", mtime_ns=8),
        WrittenFile("/latest", "link", 0, 0, None, "", "", "a", mtime_ns=9),
        recorded("/unknown", b"x"),
    ]
    touches = [Touch("/old/a", "change", regular(b"")), Touch("/log", "append", regular(b"x"))]
    there = relocation("/old", "/new")
    assert times(files, touches, [], there) == {"/new/a": 7, "/old": 8, "/log": 5}
    assert "/log" not in times(files, touches, [Step("impossible", "/log")], there)
