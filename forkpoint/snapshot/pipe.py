"""The report pipe: one record from child to program, read without ever waiting."""

from __future__ import annotations

import fcntl
import os

from forkpoint import _native
from forkpoint.report import SIZE


class ReportPipe:
    """Both ends, numbered from DESCRIPTOR_MIN up and close-on-exec: the program's own numbers do not change.

    After the fork the program keeps `reader` and the child `writer`; `close` is idempotent and closes what is left.
    """

    __slots__ = ("reader", "writer")

    def __init__(self) -> None:
        self.reader = self.writer = -1
        low = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self.reader, self.writer = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _native.DESCRIPTOR_MIN) for fd in low)
        except OSError:
            self.close()
            raise
        finally:
            for fd in low:
                os.close(fd)

    def receive(self) -> bytes | None:
        """The record, or b"" when there will be none, or None while that is open. Never blocks."""
        try:
            return os.read(self.reader, SIZE)
        except BlockingIOError:
            return None

    def close_writer(self) -> None:
        """In the program, right after the fork: from then on the end of the child is the end of the file."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Give both descriptors back."""
        self.close_writer()
        if self.reader >= 0:
            os.close(self.reader)
            self.reader = -1
