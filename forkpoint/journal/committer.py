"""The committer: the fresh process that writes the journal for a child, because no fork of the program may open it.

Both ends are here. `Committer` is the child's: started while the disk still works on the pack, told what to commit once
that is durable. `main` runs in the new process, which must start fast: `-I -S`, the search path handed over, and a bare
`forkpoint` package so that the public one is not imported; nothing imported on this path may load typing, dataclasses,
json or re.

Dying before COMMIT leaves an unnamed pack; dying after it, a restore point nobody was told of, found by its id. A
committer whose child dies before it says what to commit ends at once.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import contextlib
import os
import struct
import sys
import time

from forkpoint import faultpoints, limits
from forkpoint.journal import handover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from forkpoint.journal.home import Home

_BOOT = (
    "import sys\n"
    "package = type(sys)('forkpoint')\n"
    "package.__path__ = [sys.argv[2]]\n"
    "sys.modules['forkpoint'] = package\n"
    "sys.path.extend(sys.argv[3:])\n"
    "from forkpoint.journal.{module} import main\n"
    "main(*map(int, sys.argv[1].split(',')))\n"
)

_REPORT = struct.Struct(f"<4scxHqQQdd64s{limits.REPORT_MESSAGE_BYTES}s")
assert _REPORT.size == 512

_executable = sys.executable
_environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
"""Both as the program was started: it may change its own later."""

_OWN = ("blake3", "pysqlite3", "zstandard")
_TO_DECRYPT = ("cryptography", "_cffi_backend")

_paths: dict[bool, list[str]] = {}
"""Where helper processes find forkpoint, and what it imports; by whether that is to decrypt, too."""


def clock_ns() -> int:
    """A clock that program and committer share: those of `time` go on from elsewhere in a restored program."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def prepare(*, encrypted: bool = False) -> None:
    """Find out, before the program can change anything, how a committer is started. Called once at start."""
    import importlib.util

    import forkpoint.journal

    package = os.path.dirname(os.path.dirname(os.path.abspath(forkpoint.journal.__file__ or "")))
    paths: list[str] = []
    for name in (*_OWN, *(_TO_DECRYPT if encrypted else ())):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            if name in _TO_DECRYPT:  # whoever comes to need it says so
                continue
            raise ModuleNotFoundError(f"forkpoint needs the package {name}", name=name)
        inside = spec.submodule_search_locations
        folder = os.path.dirname(next(iter(inside)) if inside else spec.origin)
        if folder not in paths:
            paths.append(folder)
    _paths[encrypted] = [package, *paths]


def command(module: str, *fds: int, encrypted: bool = False) -> list[str]:
    """The command line of a helper process that runs `forkpoint.journal.<module>.main(*fds)`."""
    if encrypted not in _paths:
        prepare(encrypted=encrypted)
    if not _executable:
        raise FileNotFoundError("sys.executable is not known, so that no committer can be started")
    return [_executable, "-I", "-S", "-c", _BOOT.format(module=module), ",".join(map(str, fds)), *_paths[encrypted]]


def environment() -> dict[str, str]:
    """The environment helpers are started with."""
    return _environment


class Committer:
    """In the child: the committer to be."""

    __slots__ = ("_encrypted", "_go", "_pid", "_report_fd", "_request", "_waits")

    def __init__(self, report_fd: int, lease_fd: int, *, encrypted: bool = False) -> None:
        """It will answer on `report_fd`, and hold the run's lease (-1: there is none). `encrypted`: the store is."""
        for fd in (report_fd, lease_fd):
            if fd >= 0:
                os.set_inheritable(fd, True)
        self._report_fd = report_fd
        self._request = handover.sheet()
        self._waits, self._go = os.pipe()
        os.set_inheritable(self._waits, True)
        self._pid = 0
        self._encrypted = encrypted

    def start(self) -> None:
        """Have it come up beside this process, so that it is there when there is something to commit."""
        with contextlib.suppress(OSError):  # no room for one more process: there may be when it is needed
            self._pid = self._spawn()

    def _spawn(self) -> int:
        from forkpoint import _native

        arguments = command("committer", self._request, self._waits, encrypted=self._encrypted)
        return _native.spawn(
            os.fsencode(_executable),
            [os.fsencode(argument) for argument in arguments],
            [os.fsencode(f"{name}={value}") for name, value in environment().items()],
        )

    def commit(
        self,
        home: Home,
        run: Mapping[str, Any],
        pack: handover.PackInfo,
        point: Mapping[str, Any],
        *,
        started_ns: int,
        encode_ms: float,
        keep_last: int = limits.KEEP_LAST_POINTS,
        keep_within: float = 0.0,
        message: str = "",
    ) -> NoReturn:
        """Have the durable `pack` committed; this process ends as the committer does. OSError: no room for it.

        `run` and `point` are what goes into their rows (see columns.py). `started_ns` is `clock_ns()` when the commit
        began. `encode_ms` and `message` go to the report of a durable point; `keep_last`, and `keep_within` in
        seconds, is what retention keeps once the commit stands (0: all).
        """
        request: dict[str, Any] = {
            "home": handover.home_fields(home),
            "run": dict(run),
            "pack": handover.pack_fields(pack),
            "point": dict(point),
            "report_fd": self._report_fd,
            "started_ns": started_ns,
            "encode_ms": encode_ms,
            "keep_last": keep_last,
            "keep_within": keep_within,
            "message": message,
        }
        handover.fill(self._request, request)
        os.write(self._go, b"!")
        from forkpoint import _native

        _native.end_with(self._pid or self._spawn())


def main(request: int, waits: int) -> None:
    """Once the pipe says so, commit what the memfd says, answer on the report pipe, then forget what retention says.
    Never returns.
    """
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)  # Ctrl-C is meant for the program; this is over in milliseconds
    try:
        from forkpoint.journal import connection, writer  # noqa: F401 - what takes time, while there is some

        if os.read(waits, 1):
            faultpoints.reach("committer.started")
            _commit(handover.accept(request))
    finally:
        os._exit(1)


def _commit(request: dict[str, Any]) -> NoReturn:
    """Ends the process from inside: returning would close the journal, which folds the WAL, after freeing the lock."""
    home = handover.home_from(request["home"])
    info = handover.pack_from(request["pack"])
    started_ns: int = request["started_ns"]

    def elapsed_ms() -> float:
        return (clock_ns() - started_ns) / 1e6

    lock = home.writer_lock()
    try:
        from forkpoint.journal import connection, writer

        lock.__enter__()  # held until this process ends
        faultpoints.reach("committer.locked")
        db = connection.open_writer(home)
        seq = writer.commit(db, home, request["run"], info, request["point"], elapsed_ms)
    except Exception as error:  # the answer must go out, whatever it is
        _answer(request, info, -1, f"{type(error).__name__}: {error}", elapsed_ms())
        os._exit(1)
    _answer(request, info, seq, request["message"], elapsed_ms())
    if request["keep_last"]:
        from forkpoint.journal import retention

        retention.after_commit(db, home, info.run, request["keep_last"], request["keep_within"])
    connection.fold(home, db)
    os._exit(0)


def _answer(request: dict[str, Any], info: handover.PackInfo, seq: int, message: str, commit_ms: float) -> None:
    """Write the one record forkpoint/report.py specifies, without that module: it would take longer than the commit."""
    words = message.encode("utf-8", "backslashreplace")[: limits.REPORT_MESSAGE_BYTES]
    words = words.decode("utf-8", "ignore").encode()
    record = _REPORT.pack(
        b"FPR1",
        b"K" if seq >= 0 else b"F",
        len(words),
        seq,
        info.bytes_new,
        request["point"]["bytes_total"],
        request["encode_ms"],
        commit_ms,
        info.point.encode(),
        words,
    )
    with contextlib.suppress(OSError):  # the program may be gone; its restore point is not
        os.write(request["report_fd"], record)
    os.close(request["report_fd"])
