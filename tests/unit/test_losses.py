"""Tombstones are told to the program once each, where telling cannot change what it does."""

from __future__ import annotations

import warnings

import pytest

from forkpoint.errors import NotCapturedWarning
from forkpoint.limits import REPORT_MESSAGE_BYTES
from forkpoint.losses import Losses
from forkpoint.model import EXCLUDED, Tombstone

SOCKET = Tombstone("trainer.loader._iterator", "socket.socket", "TypeError: cannot pickle 'socket' object")
POINT = "0123456789abcdef"


def told(losses: Losses, capfd: pytest.CaptureFixture[str]) -> str:
    losses.tell()
    return capfd.readouterr().err


def test_a_loss_is_told_once_by_path_with_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    losses = Losses()
    losses.learn(POINT, losses.message([SOCKET, SOCKET]))
    said = told(losses, capfd)
    assert said.startswith("forkpoint: NotCapturedWarning: trainer.loader._iterator (socket.socket) is not in")
    assert "forkpoint.on_restore()" in said and "forkpoint.exclude('trainer.loader._iterator')" in said
    assert losses.message([SOCKET]) == "" and told(losses, capfd) == ""


def test_what_the_program_excluded_is_no_loss() -> None:
    assert Losses().message([Tombstone("cache", "dict", EXCLUDED)]) == ""


def test_a_message_fits_the_report_and_many_losses_end_in_a_count(capfd: pytest.CaptureFixture[str]) -> None:
    losses = Losses()
    many = [Tombstone(f"pool[{n}]." + "é" * 300, "socket.socket", "r" * 500) for n in range(50)]
    message = losses.message(many)
    assert len(message.encode()) <= REPORT_MESSAGE_BYTES
    losses.learn(POINT, message)
    said = told(losses, capfd)
    assert "more objects are not in it: forkpoint show 0123456789ab" in said
    assert losses.message(many) == "", "of each kind one was told, the rest counted"
    assert losses.message([Tombstone("x", "ssl.SSLContext", "r")])


def test_an_explicit_wait_warns_in_the_callers_name_and_may_raise() -> None:
    losses = Losses()
    losses.learn(POINT, losses.message([SOCKET]))
    with pytest.warns(NotCapturedWarning, match="trainer.loader._iterator") as caught:
        losses.warn(stacklevel=1)
    assert caught[0].filename == __file__
    losses.learn(POINT, "1\x1ea\x1fb\x1fc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NotCapturedWarning):
            losses.warn(stacklevel=1)


def test_telling_never_raises_and_never_enters_the_programs_own_record(capfd: pytest.CaptureFixture[str]) -> None:
    losses = Losses()
    losses.learn(POINT, losses.message([SOCKET]))
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("error")
        said = told(losses, capfd)
    assert "NotCapturedWarning" in said and recorded == []


def test_the_programs_filters_decide_whether_it_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    losses = Losses()
    losses.learn(POINT, losses.message([SOCKET]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotCapturedWarning)
        assert told(losses, capfd) == ""
