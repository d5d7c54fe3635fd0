"""The audit hook tells of what changes files, before it happens, and of nothing else."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forkpoint import _native
from forkpoint.report import Report
from forkpoint.snapshot import forker

Seen = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Seen]:
    events: Seen = []
    _native.audit_start(lambda event, args: events.append((event, args)))
    yield events
    _native.audit_stop()


def test_every_way_to_open_for_writing_is_told_with_the_path_as_given(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for mode in ("w", "a", "r+", "x", "wb"):
        Path("new").unlink(missing_ok=True) if mode == "x" else None
        seen.clear()
        open("new", mode).close()
        ((event, (path, told, flags)),) = seen
        assert (event, path, told) == ("open", "new", mode.removesuffix("b"))
        assert flags & (os.O_WRONLY | os.O_RDWR)
    seen.clear()
    os.close(os.open(b"new", os.O_RDWR))
    ((event, (path, told, _)),) = seen
    assert (event, path, told) == ("open", b"new", None)


def test_reading_imports_and_everything_else_is_not_told(seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    seen.clear()
    open(tmp_path / "file").close()
    os.close(os.open(tmp_path / "file", os.O_RDONLY))
    os.listdir(tmp_path)
    sys.audit("openssl.something", 1)
    sys.audit("open", "not", "the", "usual", "shape")
    sys.audit("os.renamed", "x")
    compile("1", "x", "eval")
    assert seen == []


def test_renames_removals_truncations_and_links_are_told(seen: Seen, tmp_path: Path) -> None:
    first, second, third = (str(tmp_path / name) for name in ("first", "second", "third"))
    Path(first).touch()
    seen.clear()
    os.rename(first, second)
    os.replace(second, first)
    os.truncate(first, 0)
    os.link(first, second)
    os.symlink(first, third)
    os.unlink(second)
    os.remove(third)
    assert [(event, *args[:2]) for event, args in seen] == [
        ("os.rename", first, second),
        ("os.rename", second, first),
        ("os.truncate", first, 0),
        ("os.link", first, second),
        ("os.symlink", first, third),
        ("os.remove", second, -1),
        ("os.remove", third, -1),
    ]


def test_the_callback_runs_before_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old content")
    found: list[str] = []
    _native.audit_start(lambda event, args: found.append(Path(args[0]).read_text()))
    try:
        file.write_text("new")
        os.remove(file)
    finally:
        _native.audit_stop()
    assert found == ["old content", "new"]


def test_files_the_callback_itself_writes_are_not_told(tmp_path: Path) -> None:
    calls: list[str] = []

    def log(event: str, args: tuple[Any, ...]) -> None:
        calls.append(event)
        with (tmp_path / "log").open("a") as file:
            file.write(event)

    _native.audit_start(log)
    try:
        shutil.copyfile(__file__, tmp_path / "copy")
    finally:
        _native.audit_stop()
    assert calls == ["open"]


def test_an_error_of_the_callback_is_reported_and_never_reaches_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(report.exc_value))
    _native.audit_start(lambda event, args: 1 / 0)
    try:
        (tmp_path / "file").write_text("written all the same")
    finally:
        _native.audit_stop()
    assert [type(error) for error in reported] == [ZeroDivisionError]


def test_an_interrupt_during_the_callback_reaches_the_program(tmp_path: Path) -> None:
    def interrupted(event: str, args: tuple[Any, ...]) -> None:
        raise KeyboardInterrupt

    _native.audit_start(interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    finally:
        _native.audit_stop()


def test_threads_are_told_of_too_and_a_stop_ends_it(seen: Seen, tmp_path: Path) -> None:
    thread = threading.Thread(target=(tmp_path / "file").write_text, args=("x",))
    thread.start()
    thread.join()
    assert len(seen) == 1
    _native.audit_stop()
    (tmp_path / "file").write_text("x")
    assert len(seen) == 1


def test_the_programs_tracer_does_not_see_the_callback(seen: Seen, tmp_path: Path) -> None:
    traced: list[str] = []
    file = str(tmp_path / "file")
    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: traced.append(frame.f_code.co_name))
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT))
    finally:
        sys.settrace(before)
    assert len(seen) == 1
    assert traced == []


def test_nothing_is_told_in_the_child(seen: Seen, tmp_path: Path) -> None:
    def body(side: forker.ChildSide) -> Report:
        (tmp_path / "file").write_text("x")
        return Report("K", message=str(len(seen)))

    report = forker.fork(body, deadline_seconds=20).wait()
    assert report is not None
    assert report.message == "0"
