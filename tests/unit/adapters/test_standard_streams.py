"""How standard output is encoded and buffered comes back, and what a terminal does by itself does not."""

from __future__ import annotations

import io
import sys

import pytest

from forkpoint.capture.adapters.standard_streams import ADAPTER


def test_what_was_reconfigured_is_so_again(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", old)
    old.reconfigure(encoding="latin-1", errors="replace", line_buffering=True, write_through=True)
    state = ADAPTER.before_fork()
    monkeypatch.setattr(sys, "stdout", new)
    ADAPTER.restore(state)
    assert (new.encoding, new.errors, new.line_buffering, new.write_through) == ("latin-1", "replace", True, True)


def test_a_terminal_s_buffering_is_no_wish_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.FileIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Terminal(1, "w", closefd=False), line_buffering=True))
    assert ADAPTER.before_fork()[1]["line_buffering"] is False


def test_what_is_no_stream_of_a_descriptor_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stdin", None)
    state = ADAPTER.before_fork()
    assert state[:2] == [None, None]
    ADAPTER.restore(state)
