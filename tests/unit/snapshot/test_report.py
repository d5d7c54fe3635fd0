"""A report survives the pipe whole, or is unknown."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forkpoint import report
from forkpoint.report import Report

REPORT = Report("K", "0" * 32, 3, 4096, 1 << 40, 12.5, 40.25, "ünïcode")


def test_what_is_sent_is_what_is_read() -> None:
    reader, writer = os.pipe()
    report.send(writer, REPORT)
    assert report.decode(os.read(reader, 4096)) == REPORT
    os.close(reader)
    os.close(writer)


@given(st.text(st.characters(), max_size=900))
def test_any_message_is_kept_as_far_as_it_fits(message: str) -> None:
    sent = report.encode(Report("F", message=message))
    assert len(sent) == report.SIZE
    readable = message.encode("utf-8", "backslashreplace").decode()
    read = report.decode(sent).message
    assert readable.startswith(read)
    assert read == readable or len(read.encode()) > 396


@pytest.mark.parametrize("record", [b"", b"FPR1", b"x" * 512, report.encode(REPORT)[:-1]])
def test_anything_but_a_whole_record_is_unknown(record: bytes) -> None:
    assert report.decode(record).status == "?"


def test_an_unknown_status_on_the_wire_is_unknown() -> None:
    record = bytearray(report.encode(REPORT))
    record[4:5] = b"Q"
    assert report.decode(bytes(record)).status == "?"


def test_unknown_is_never_written_to_the_wire() -> None:
    with pytest.raises(ValueError, match="silence"):
        report.encode(Report("?"))


def test_a_program_that_died_is_no_error_for_the_child() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    report.send(writer, REPORT)
    os.close(writer)
