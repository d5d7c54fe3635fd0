"""What a commit's child says about its end: one fixed-size record, written with one atomic write to a pipe.

Layout, little endian, 512 bytes (far below PIPE_BUF, so a reader sees all of it or nothing):

    offset  size  field
    0       4     magic "FPR1"
    4       1     status: K durable, F failed, N not now (refused; ask again later)
    5       1     zero
    6       2     length of the message in bytes
    8       8     seq (signed; -1 when there is none); with N the frame to wait for, 0 being the outermost
    16      8     bytes_new
    24      8     bytes_total
    32      8     encode_ms (double)
    40      8     commit_ms (double)
    48      64    id of the restore point, ASCII, zero padded
    112     400   message, UTF-8, cut at a character boundary: why it failed; under K what was not saved (losses.py)

Silence is not a status on the wire: a pipe that ends without a whole record is read as `?`, unknown, and is never
taken for success.
"""

from __future__ import annotations

import os
import struct
from typing import Final, Literal, NamedTuple

from forkpoint.limits import REPORT_MESSAGE_BYTES

Status = Literal["K", "F", "N", "?"]

_LAYOUT: Final = struct.Struct(f"<4scxHqQQdd64s{REPORT_MESSAGE_BYTES}s")
_MAGIC: Final = b"FPR1"
_STATUSES: Final[dict[bytes, Status]] = {b"K": "K", b"F": "F", b"N": "N"}
SIZE: Final = _LAYOUT.size
assert SIZE == 512, "the report's layout is fixed"


class Report(NamedTuple):
    """How a commit ended. Only K means durable; `?` means that nobody knows (ask the journal by `point`)."""

    status: Status
    point: str = ""
    seq: int = -1
    bytes_new: int = 0
    bytes_total: int = 0
    encode_ms: float = 0.0
    commit_ms: float = 0.0
    message: str = ""


def encode(report: Report) -> bytes:
    """The record's 512 bytes. A message that is too long loses its end. Raises ValueError for status `?`."""
    if report.status == "?":
        raise ValueError("an unknown outcome is silence on the pipe, never a record")
    point = report.point.encode("ascii")
    if len(point) > 64:
        raise ValueError(f"restore point id too long: {report.point!r}")
    message = _cut(report.message)
    return _LAYOUT.pack(
        _MAGIC,
        report.status.encode("ascii"),
        len(message),
        report.seq,
        report.bytes_new,
        report.bytes_total,
        report.encode_ms,
        report.commit_ms,
        point,
        message,
    )


def decode(record: bytes) -> Report:
    """The report in a record; a short or foreign record is `?` with a message saying so."""
    if len(record) != SIZE or not record.startswith(_MAGIC):
        return Report("?", message=f"{len(record)} bytes that are no report" if record else "ended without a report")
    _, status, length, seq, new, total, encode_ms, commit_ms, point, message = _LAYOUT.unpack(record)
    if status not in _STATUSES:
        return Report("?", message=f"report with unknown status {status!r}")
    return Report(
        status=_STATUSES[status],
        point=point.rstrip(b"\0").decode("ascii", "replace"),
        seq=seq,
        bytes_new=new,
        bytes_total=total,
        encode_ms=encode_ms,
        commit_ms=commit_ms,
        message=message[:length].decode("utf-8", "replace"),
    )


def send(fd: int, report: Report) -> None:
    """Write the record to the report pipe. A reader that has gone (the program died) is not an error."""
    try:
        os.write(fd, encode(report))
    except BrokenPipeError:
        pass


def _cut(message: str) -> bytes:
    """At most REPORT_MESSAGE_BYTES bytes, never half a character (nor a lone surrogate)."""
    raw = message.encode("utf-8", "backslashreplace")
    if len(raw) <= REPORT_MESSAGE_BYTES:
        return raw
    return raw[:REPORT_MESSAGE_BYTES].decode("utf-8", "ignore").encode("utf-8")
