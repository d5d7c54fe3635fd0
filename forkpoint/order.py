"""What a process that is about to be exec'd is to do: run a program, or go on from a restore point."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any, Final, Literal, NamedTuple, NoReturn

_BOOT: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "boot.py")


class Order(NamedTuple):
    """What this process is to do. `kind` says how `target` is read; with `plan` it goes on from a restore point.

    `lease_fd` is the run's lease, held since before exec; `plan_fd` holds the serialized `RestorePlan`.
    `run` and `settings` are a `RunInfo` and a `Settings` as plain values.
    """

    kind: Literal["script", "module", "command", "restore"]
    target: str
    arguments: list[str]
    run: dict[str, Any]
    lease_fd: int
    settings: dict[str, Any]
    plan_fd: int = -1
    cwd: str | None = None
    flags: list[str] | None = None
    supervisor: int = 0
    """The process that this one dies with; 0: it lives on its own."""

    def supervised(self, parent: int) -> Order:
        """The same for a process that `parent` starts and that must not outlive it."""
        return self._replace(supervisor=parent)

    def descriptors(self, argv: list[str]) -> list[int]:
        """What `command_line` and this order leave open for the process started with `argv`."""
        own = [fd for fd in (self.lease_fd, self.plan_fd) if fd >= 0]
        return [*own, next(int(word) for word in argv[argv.index(_BOOT) + 1 :])]

    def to_fd(self) -> int:
        """An inheritable descriptor from which the exec'd process reads this order."""
        fd = os.memfd_create("forkpoint-order", 0)
        with open(fd, "wb", closefd=False) as stream:
            stream.write(json.dumps(self._asdict()).encode())
        os.set_inheritable(fd, True)
        return fd

    @classmethod
    def from_fd(cls, fd: int) -> Order:
        """Read the order and close its descriptor."""
        with open(fd, "rb") as stream:
            stream.seek(0)
            return cls(**json.loads(stream.read()))


def interpreter_flags() -> list[str]:
    """This interpreter's own -W, -X and other flags, as a command line has them."""
    if _BOOT in sys.orig_argv:  # started by `become`, with just these
        return sys.orig_argv[1 : sys.orig_argv.index(_BOOT)]
    import subprocess  # slow to import, and most starts have it loaded or never ask

    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    if getattr(sys.__stdout__, "write_through", False) and not os.environ.get("PYTHONUNBUFFERED"):
        flags.append("-u")  # leaves no trace in sys.flags
    return flags


def command_line(order: Order) -> list[str]:
    """The argument vector that starts `order` in this interpreter, with its -W, -X and other flags or `order`'s."""
    flags = interpreter_flags() if order.flags is None else order.flags
    return [sys.executable, *flags, _BOOT, str(order.to_fd()), *filter(None, [order.target]), *order.arguments]


def flush_streams() -> None:
    """What was said goes out before somebody else speaks; there may be no stream, or nobody who listens."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            if stream is not None:
                stream.flush()


def become(order: Order, environment: dict[str, str]) -> NoReturn:
    """Replace this process by the one that carries `order` out."""
    flush_streams()
    argv = command_line(order)
    os.execve(argv[0], argv, environment)
